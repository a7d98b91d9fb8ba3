# SPDX-License-Identifier: Apache-2.0
# Libraries from Debian's packages, found once and seen by every folder. A
# folder links what it needs (PkgConfig::UV); what is missing is named here.
# mbedcrypto has no pkg-config file in Debian 12: crypto_psa/ finds it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(LIBCRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(COAP REQUIRED IMPORTED_TARGET libcoap-3-openssl>=4.3.1)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(MHD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)

# For the tests alone; without cmocka they are not built.
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
pkg_check_modules(CBOR IMPORTED_TARGET libcbor)
