# Prepares one asset when the program is built: cmake -DIN=... -DOUT=... -DNAME=... -P embed.cmake
# Writes OUT (the bytes that go into the page) and OUT.h (their SHA-256). A source map is of no use inside a page and
# would be asked for over the network, so its comment goes.
if(IN)
  file(READ "${IN}" text)
else()
  set(text "")
endif()
string(REGEX REPLACE "\n//# sourceMappingURL=[^\n]*\n?$" "\n" text "${text}")
string(REGEX REPLACE "\n/\\*# sourceMappingURL=[^\n]*\\*/\n?$" "\n" text "${text}")
file(WRITE "${OUT}" "${text}")
file(SHA256 "${OUT}" digest)
file(WRITE "${OUT}.h" "inline constexpr char ${NAME}[] = \"${digest}\";\n")
