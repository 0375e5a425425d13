# cmake -D INPUT=file -D OUTPUT=file -P assemble.cmake
# INPUT with each line @@NAME@@ replaced by the file NAME beside it.
file(READ ${INPUT} text)
get_filename_component(folder ${INPUT} DIRECTORY)
string(REGEX MATCHALL "@@[a-z_.]+@@" marks "${text}")
foreach(mark ${marks})
  string(REPLACE "@@" "" name ${mark})
  file(READ ${folder}/${name} part)
  string(REPLACE "${mark}\n" "${part}" text "${text}")
endforeach()
file(WRITE ${OUTPUT} "${text}")
