//! How a listener speaks TLS.

use crate::config::choice::choice;
use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::FilePath;

record! {
    "`tls` of a listener"
    /// How a listener speaks TLS.
    struct ListenerTls {
        /// Certificates with their keys, chosen by the name that the client asks for. The first is shown where no other fits.
        required certificates as "certificates": Vec<Certificate>,
        /// The certificates of the authorities that vouch for clients. Clients are asked for a certificate where this is given.
        optional client_ca as "client_ca": At<FilePath>,
        /// Whether a client must show a certificate. `required` where this is left out.
        optional client_certificate as "client_certificate": At<ClientCertificate>,
        /// Lists of revoked certificates (CRLs), PEM or DER: whoever shows one that stands there is refused. Every authority on the way to one of `client_ca` needs its list.
        optional client_crl as "client_crl": At<FilePath>,
    }
}

record! {
    "a certificate"
    /// A certificate and its key.
    struct Certificate {
        /// A PEM file: the certificate, then what leads to its authority.
        required certificate as "certificate": At<FilePath>,
        /// A PEM file: the private key, without a passphrase.
        required key as "key": At<FilePath>,
    }
}

choice! {
    "whether clients must show a certificate"
    /// Whether a client must show a certificate.
    pub(crate) enum ClientCertificate {
        /// Who shows one must show one that verifies.
        Optional = "optional",
        /// Everybody must.
        Required = "required",
    }
}
