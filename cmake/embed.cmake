# cmake -D INPUT=file -D OUTPUT=file.cc [-D NAME=kWebPage] -P embed.cmake
# A source file that holds the bytes of INPUT as `extern const char NAME[]` and `extern const size_t NAMESize`, in
# namespace fulgur.
if(NOT NAME)
  set(NAME kWebPage)
endif()
file(READ ${INPUT} bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR size "${digits} / 2")
string(REPEAT "." 48 line)
string(REGEX REPLACE "(${line})" "\\1\n" list "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," list "${list}")
file(WRITE ${OUTPUT} "#include <cstddef>\nnamespace fulgur {\nextern const char ${NAME}[];\nextern const size_t ${NAME}Size;\n"
     "const char ${NAME}[] = {\n${list}0};\nconst size_t ${NAME}Size = ${size};\n}  // namespace fulgur\n")
