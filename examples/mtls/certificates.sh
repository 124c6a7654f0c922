#!/bin/sh
# Makes an authority (ca), a certificate for localhost, two for workloads with a SPIFFE ID, and an empty list of revoked certificates. For trying out only.
set -eu
cd "$(dirname "$0")"

cat >ca.cnf <<END
[ca]
default_ca = this
[this]
database = ca.index
crlnumber = ca.number
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 7
END
: >ca.index
echo 01 >ca.number

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

key ca
openssl req -x509 -new -key ca.key -days 30 -subj '/O=Example/CN=Mesh CA' -out ca.pem

leaf() {
    key "$1"
    printf 'basicConstraints=critical,CA:FALSE\nsubjectAltName=%s\nextendedKeyUsage=%s\n' "$2" "$3" >leaf.ext
    openssl req -new -key "$1.key" -subj "/CN=$1" |
        openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile leaf.ext -out "$1.pem" 2>/dev/null
    rm leaf.ext
}

leaf localhost DNS:localhost serverAuth
leaf orders URI:spiffe://mesh.example/ns/prod/sa/orders clientAuth
leaf billing URI:spiffe://mesh.example/ns/prod/sa/billing clientAuth
openssl ca -config ca.cnf -gencrl -out ca.crl 2>/dev/null
