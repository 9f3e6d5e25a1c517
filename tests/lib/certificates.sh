#!/bin/sh
# certificates.sh DIR [server]: what tests of TLS need, made by the openssl command into DIR; with
# `server` only ca.* and server.*.
#   ca.pem                   signs all but stranger.pem
#   server.pem, renewed.pem  for 127.0.0.1 and localhost
#   client.pem               CN=node-1,O=shop
#   named.pem                for redis.example, and no address
#   expired.pem              a server's, of yesterday
#   foreign.pem              good for signing e-mail only
#   stranger.pem             a client's, signed by itself
# each with its <name>.key, readable by the owner only, and server.key encrypted as locked.key.
set -eu
umask 077
cd "$1"
key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
}
# signed NAME SUBJECT EXTENSIONS DAYS
signed() {
    key "$1"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    printf '%s\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$4" \
        -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    rm -f "$1.csr" "$1.ext"
}
key ca
openssl req -x509 -key ca.key -subj "/CN=muster test CA" -days 30 -out ca.pem
names="subjectAltName=IP:127.0.0.1,DNS:localhost"
signed server "/CN=localhost" "$names" 30
[ "${2:-}" != server ] || exit 0
signed renewed "/CN=localhost" "$names" 30
signed named "/CN=redis.example" "subjectAltName=DNS:redis.example" 30
signed client "/O=shop/CN=node-1" "extendedKeyUsage=clientAuth" 30
signed expired "/CN=localhost" "$names" -1
signed foreign "/CN=node-2" "extendedKeyUsage=emailProtection" 30
openssl pkey -in server.key -aes256 -passout pass:muster -out locked.key
key stranger
openssl req -x509 -key stranger.key -subj "/CN=stranger" -days 30 -out stranger.pem
