# cmake -D INPUT=file -D OUTPUT=file.cc -P embed.cmake
# A source file that holds the bytes of INPUT as `extern const char kWebPage[]` and `extern const size_t kWebPageSize`,
# in namespace fulgur.
file(READ ${INPUT} bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR size "${digits} / 2")
string(REPEAT "." 48 line)
string(REGEX REPLACE "(${line})" "\\1\n" list "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," list "${list}")
file(WRITE ${OUTPUT} "#include <cstddef>\nnamespace fulgur {\nextern const char kWebPage[];\nextern const size_t kWebPageSize;\n"
     "const char kWebPage[] = {\n${list}0};\nconst size_t kWebPageSize = ${size};\n}  // namespace fulgur\n")
