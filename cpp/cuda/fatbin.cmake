# The kernels as bytes: nvcc makes a fat binary, embed.cmake a C array of it. nvcc is a code generator here
# and not a CMake language, so that configuring works on machines without it.
set(DEEPSPORT_CUDA AUTO CACHE STRING "Device code: AUTO (when nvcc is found), ON (nvcc required), OFF")
set_property(CACHE DEEPSPORT_CUDA PROPERTY STRINGS AUTO ON OFF)
# sm_86 and sm_89 run sm_80 code, sm_103 sm_100, sm_121 sm_120; PTX 80 is for GPUs yet to come.
set(DEEPSPORT_CUDA_ARCHITECTURES 80 90 100 120 CACHE STRING "GPUs to compile for")
set(DEEPSPORT_CUDA_PTX 80 CACHE STRING "Virtual architecture kept for newer GPUs")

# deepsport_fatbin(VARIABLE): set VARIABLE to a C source that defines the device code, or its absence.
function(deepsport_fatbin variable)
  set(source ${PROJECT_SOURCE_DIR}/cpp/cuda/no_fatbin.c)
  if(NOT DEEPSPORT_CUDA STREQUAL "OFF")
    find_program(DEEPSPORT_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda
                 PATH_SUFFIXES bin)
    mark_as_advanced(DEEPSPORT_NVCC)
    set(why_not "no nvcc was found")
    if(DEEPSPORT_NVCC)
      execute_process(COMMAND ${DEEPSPORT_NVCC} --version OUTPUT_VARIABLE said ERROR_QUIET)
      execute_process(COMMAND ${DEEPSPORT_NVCC} --list-gpu-code OUTPUT_VARIABLE known
                      RESULT_VARIABLE failed ERROR_QUIET)
      if(failed OR NOT said MATCHES "release ([0-9]+\\.[0-9]+)")
        set(why_not "${DEEPSPORT_NVCC} does not run")
      elseif(CMAKE_MATCH_1 VERSION_LESS 12.8)  # the first with --compress-mode and sm_120
        set(why_not "${DEEPSPORT_NVCC} is too old, of CUDA ${CMAKE_MATCH_1}")
      else()
        set(why_not "")
      endif()
    endif()
    if(why_not)
      set(valid "valid are a CUDA 12.8 or 13 toolkit on the PATH or in CUDA_HOME")
      if(DEEPSPORT_CUDA STREQUAL "ON")
        message(FATAL_ERROR "DEEPSPORT_CUDA=ON, but ${why_not}; ${valid}, or DEEPSPORT_CUDA=OFF")
      endif()
      message(STATUS "deepsport: ${why_not}; ${valid}")
    else()
      set(targets "")
      foreach(architecture IN LISTS DEEPSPORT_CUDA_ARCHITECTURES)
        if(known MATCHES "sm_${architecture}(\n|$)")
          list(APPEND targets -gencode arch=compute_${architecture},code=sm_${architecture})
        else()
          message(STATUS "deepsport: this nvcc has no sm_${architecture}, left out")
        endif()
      endforeach()
      list(APPEND targets
           -gencode arch=compute_${DEEPSPORT_CUDA_PTX},code=compute_${DEEPSPORT_CUDA_PTX})
      # No contraction, IEEE division and roots, subnormals kept: see Note [One arithmetic].
      set(flags -std=c++17 -fmad=false -prec-div=true -prec-sqrt=true -ftz=false
          -Werror all-warnings -I ${PROJECT_SOURCE_DIR}/cpp)
      set(fatbin ${CMAKE_CURRENT_BINARY_DIR}/deepsport.fatbin)
      set(source ${CMAKE_CURRENT_BINARY_DIR}/fatbin.c)
      set(kernel_sources kernels.cu kernels.cuh picture.hpp pixel.hpp advantage.hpp)
      list(TRANSFORM kernel_sources PREPEND ${PROJECT_SOURCE_DIR}/cpp/cuda/)
      add_custom_command(OUTPUT ${fatbin} DEPENDS ${kernel_sources}
        COMMAND ${DEEPSPORT_NVCC} ${flags} --compress-mode=size --threads 2 -fatbin ${targets}
                ${PROJECT_SOURCE_DIR}/cpp/cuda/kernels.cu -o ${fatbin}
        COMMENT "Compiling CUDA kernels" VERBATIM)
      add_custom_command(OUTPUT ${source} DEPENDS ${fatbin} ${PROJECT_SOURCE_DIR}/cpp/cuda/embed.cmake
        COMMAND ${CMAKE_COMMAND} -DFATBIN=${fatbin} -DOUT=${source}
                -P ${PROJECT_SOURCE_DIR}/cpp/cuda/embed.cmake
        VERBATIM)
      message(STATUS "deepsport: CUDA kernels by ${DEEPSPORT_NVCC}")
    endif()
  endif()
  if(source MATCHES "no_fatbin.c$")
    message(STATUS "deepsport: no CUDA kernels in this build")
  endif()
  set(${variable} ${source} PARENT_SCOPE)
endfunction()
