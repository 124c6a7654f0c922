#!/bin/sh
# Makes an authority (ca), certificates for localhost and shop.localhost, and one for a client, all for a month. For trying out only.
set -eu
cd "$(dirname "$0")"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

key ca
openssl req -x509 -new -key ca.key -days 30 -subj '/CN=example authority' -out ca.pem

leaf() {
    key "$1"
    printf 'basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:%s\n' "$2" >leaf.ext
    openssl req -new -key "$1.key" -subj "/CN=$2" |
        openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile leaf.ext -out "$1.pem" 2>/dev/null
    rm leaf.ext
}

leaf localhost localhost
leaf shop shop.localhost
leaf client client.example
