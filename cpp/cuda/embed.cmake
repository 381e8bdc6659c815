# Run by fatbin.cmake: a fat binary as a C array of 64-bit words, so that it is aligned as the driver
# wants it, and the word that there is one.
file(READ ${FATBIN} bytes HEX)
string(LENGTH "${bytes}" length)
math(EXPR rest "${length} % 16")
if(NOT rest EQUAL 0)
  math(EXPR missing "16 - ${rest}")
  string(REPEAT "0" ${missing} padding)
  string(APPEND bytes ${padding})
endif()
set(byte "([0-9a-f][0-9a-f])")
string(REGEX REPLACE "${byte}${byte}${byte}${byte}${byte}${byte}${byte}${byte}"
       "0x\\8\\7\\6\\5\\4\\3\\2\\1,\n" words "${bytes}")
file(WRITE ${OUT} "const unsigned long long deepsport_fatbin[] = {\n${words}};\n"
                  "const int deepsport_has_fatbin = 1;\n")
