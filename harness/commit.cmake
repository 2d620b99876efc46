# Writes COMMIT_FILE with the commit of SOURCE_DIR ("-dirty" where files differ from it), empty outside a checkout of its
# own; the file is only touched when that changes.
set(commit "")
if(EXISTS "${SOURCE_DIR}/.git")
  execute_process(COMMAND git -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12 --exclude=*
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
set(WEIGHBRIDGE_COMMIT "${commit}")
set(PROJECT_VERSION "${VERSION}")
configure_file("${SOURCE_DIR}/harness/version.h.in" "${COMMIT_FILE}" @ONLY)
