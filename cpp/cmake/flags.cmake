# Warnings and sanitizers as interface targets, linked privately by our own code only.
add_library(deepsport_flags INTERFACE)
target_compile_options(deepsport_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(DEEPSPORT_SANITIZE)
  target_compile_options(deepsport_flags INTERFACE -fsanitize=${DEEPSPORT_SANITIZE}
                         -fno-omit-frame-pointer -g)
  target_link_options(deepsport_flags INTERFACE -fsanitize=${DEEPSPORT_SANITIZE})
endif()
if(DEEPSPORT_FUZZ)  # so that libFuzzer sees which branches of the core an input takes
  target_compile_options(deepsport_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
