//! The certificate that a client has shown to a proxy in front, as that says in a header: `Client-Cert` (RFC 9440), or Envoy's `X-Forwarded-Client-Cert`.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{Fields, RequestHead, Timestamp};
use ipnet::IpNet;
use std::sync::Arc;
use x509_parser::pem::Pem;

/// Whose word is taken, and for what.
pub struct Forwarded {
    /// Where it stands.
    pub header: CertificateHeader,
    /// The proxies that may say so.
    pub from: Vec<IpNet>,
    /// Who vouches for the certificates.
    pub believed: Arc<dyn BelievedCertificates>,
}

/// Where a proxy says which certificate it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateHeader {
    /// `Client-Cert`, and `Client-Cert-Chain` (RFC 9440).
    ClientCert,
    /// `X-Forwarded-Client-Cert`, with `Cert` and perhaps `Chain`.
    ForwardedClientCert,
}

/// Verifies certificates.
pub trait BelievedCertificates: Send + Sync {
    /// The distinguished name of the authority that vouches for it, by these others.
    ///
    /// # Errors
    /// Why it is not believed.
    fn authority(&self, der: &[u8], chain: &[Vec<u8>], now: Timestamp) -> Result<Arc<str>, String>;
}

/// A certificate, and what leads to its authority.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) certificate: Vec<u8>,
    pub(super) chain: Vec<Vec<u8>>,
}

/// What could be read in two ways, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misread {
    Twice,
    Malformed(&'static str),
}

const CLIENT_CERT: &[u8] = b"client-cert";
const CLIENT_CERT_CHAIN: &[u8] = b"client-cert-chain";
const FORWARDED_CLIENT_CERT: &[u8] = b"x-forwarded-client-cert";
/// The most certificates beside the client's.
const MOST: usize = 8;

impl Forwarded {
    /// What the proxy says; nothing of anybody else. Another gateway that describes a request has passed on what its client sent.
    pub(super) fn told(&self, head: &RequestHead) -> Result<Option<Told>, Misread> {
        let peer = head.connection.peer.ip().to_canonical();
        if head.connection.is_described || !self.from.iter().any(|net| net.contains(&peer)) {
            return Ok(None);
        }
        match self.header {
            CertificateHeader::ClientCert => client_cert(&head.fields),
            CertificateHeader::ForwardedClientCert => forwarded_client_cert(&head.fields),
        }
    }
}

impl Told {
    /// Different for different certificates, and ways to their authority.
    pub(super) fn key(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        for der in std::iter::once(&self.certificate).chain(&self.chain) {
            context.update(&(der.len() as u64).to_be_bytes());
            context.update(der);
        }
        let mut key = [0; 32];
        key.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        key
    }
}

fn client_cert(fields: &Fields) -> Result<Option<Told>, Misread> {
    let said = fields.sole_named(CLIENT_CERT).map_err(|_| Misread::Twice)?;
    let Some(said) = said else { return Ok(None) };
    let malformed = Misread::Malformed("`Client-Cert` is no byte sequence of RFC 9440");
    let certificate = byte_sequence(said).ok_or(malformed)?;
    let listed = fields.iter().filter(|field| field.name == CLIENT_CERT_CHAIN);
    let listed = listed.flat_map(|field| field.value.split(|&byte| byte == b','));
    let chain = listed.map(|one| byte_sequence(one.trim_ascii())).collect::<Option<Vec<_>>>();
    let chain = chain.filter(|chain| chain.len() <= MOST);
    let chain = chain.ok_or(Misread::Malformed("`Client-Cert-Chain` is no list of RFC 9440"))?;
    Ok(Some(Told { certificate, chain }))
}

/// RFC 9651 3.3.5, without parameters.
fn byte_sequence(said: &[u8]) -> Option<Vec<u8>> {
    let inside = said.strip_prefix(b":")?.strip_suffix(b":")?;
    STANDARD.decode(inside).ok().filter(|der| !der.is_empty())
}

fn forwarded_client_cert(fields: &Fields) -> Result<Option<Told>, Misread> {
    let said = fields.sole_named(FORWARDED_CLIENT_CERT).map_err(|_| Misread::Twice)?;
    let Some(said) = said else { return Ok(None) };
    let malformed = |why| Misread::Malformed(why);
    let text = std::str::from_utf8(said).map_err(|_| malformed("`X-Forwarded-Client-Cert` is no text"))?;
    let pairs = pairs(text)
        .ok_or(malformed("`X-Forwarded-Client-Cert` is not one element of `key=value` and `;`"))?;
    let sole = |key: &str| {
        let mut found = pairs.iter().filter(|(known, _)| known.eq_ignore_ascii_case(key));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(Misread::Twice),
            (found, _) => Ok(found.map(|(_, value)| value.as_str())),
        }
    };
    let certificates = |value: &str| {
        certificates(value).ok_or(malformed("`X-Forwarded-Client-Cert` holds no certificates in PEM"))
    };
    let cert = sole("Cert")?.ok_or(malformed("`X-Forwarded-Client-Cert` has no `Cert`"))?;
    let mut shown = certificates(cert)?;
    let (Some(certificate), true) = (shown.pop(), shown.is_empty()) else {
        return Err(malformed("`Cert` of `X-Forwarded-Client-Cert` is not one certificate"));
    };
    let chain = sole("Chain")?.map(certificates).transpose()?.unwrap_or_default();
    // It begins with the client's own.
    let chain: Vec<_> = chain.into_iter().filter(|der| *der != certificate).collect();
    if chain.len() > MOST {
        return Err(malformed("`Chain` of `X-Forwarded-Client-Cert` is too long"));
    }
    Ok(Some(Told { certificate, chain }))
}

/// Keys and values of one element; `None` where there are several, of which one would be another proxy's, or its client's.
fn pairs(text: &str) -> Option<Vec<(&str, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find([';', ',', '"']).unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                (value.to_owned(), after)
            }
        };
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        pairs.push((Some(key).filter(|_| is_key)?, value));
        match after.strip_prefix(';') {
            Some(more) => rest = more,
            None => return after.is_empty().then_some(pairs),
        }
    }
}

fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

/// Certificates in PEM, percent-encoded.
fn certificates(value: &str) -> Option<Vec<Vec<u8>>> {
    let text = decoded(value)?;
    let found = Pem::iter_from_buffer(&text).collect::<Result<Vec<_>, _>>().ok()?;
    let all = found.into_iter().map(|pem| (pem.label == "CERTIFICATE").then_some(pem.contents));
    all.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
}

fn decoded(value: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let (high, low) =
                (char::from(bytes.next()?).to_digit(16)?, char::from(bytes.next()?).to_digit(16)?);
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{Misread, client_cert, decoded, forwarded_client_cert, pairs};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use haechi_core::Fields;
    use proptest::prelude::*;

    fn fields(all: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        all.iter().for_each(|(name, value)| fields.push(name.as_bytes(), value.as_bytes()));
        fields
    }

    #[test]
    fn a_byte_sequence_is_a_certificate_and_a_list_its_chain() {
        let told = client_cert(&fields(&[
            ("client-cert", ":AQID:"),
            ("client-cert-chain", ":BAU=:, :Bg==:"),
            ("client-cert-chain", ":Bw==:"),
        ]));
        let told = told.unwrap().unwrap();
        assert_eq!((told.certificate, told.chain), (vec![1, 2, 3], vec![vec![4, 5], vec![6], vec![7]]));
        assert_eq!(client_cert(&fields(&[("client_cert", ":AQID:")])), Ok(None));
        for bad in ["AQID", ":AQID", ":AQID:;a=b", ":AQ_D:", "::", ":AQID:, :AQID:", ": AQID:", ""] {
            assert!(
                matches!(client_cert(&fields(&[("client-cert", bad)])), Err(Misread::Malformed(_))),
                "{bad}"
            );
        }
        let twice = [("client-cert", ":AQID:"), ("client-cert", ":AQID:")];
        assert_eq!(client_cert(&fields(&twice)), Err(Misread::Twice));
        let chain = [("client-cert", ":AQID:"), ("client-cert-chain", ":AQID:,")];
        assert!(client_cert(&fields(&chain)).is_err());
    }

    fn encoded(der: &[u8]) -> String {
        let pem =
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
        pem.replace('\n', "%0A")
            .replace(' ', "%20")
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D")
    }

    #[test]
    fn envoys_element_holds_the_certificate() {
        let (leaf, other) = (encoded(&[1, 2, 3]), encoded(&[4, 5]));
        let said = format!(
            "By=spiffe://a/b;Hash=0011;Subject=\"CN=a,O=\\\"b\\\"\";Cert=\"{leaf}\";Chain=\"{leaf}{other}\";URI=x"
        );
        let told = forwarded_client_cert(&fields(&[("x-forwarded-client-cert", &said)])).unwrap().unwrap();
        assert_eq!((told.certificate, told.chain), (vec![1, 2, 3], vec![vec![4, 5]]));
        for bad in [
            format!("Cert=\"{leaf}\",Cert=\"{other}\""),
            format!("Cert=\"{leaf}\";Cert=\"{leaf}\""),
            format!("Cert=\"{leaf}{other}\""),
            format!("Cert=\"{leaf}"),
            format!("Cert=\"{leaf}\"x"),
            "Hash=0011;Subject=\"CN=a\"".to_owned(),
            "Cert=\"\"".to_owned(),
            "Cert=%".to_owned(),
            "Cert".to_owned(),
            String::new(),
        ] {
            assert!(forwarded_client_cert(&fields(&[("x-forwarded-client-cert", &bad)])).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_proxy_says_is_a_panic(text in "[ -~]{0,60}") {
            let _ = (pairs(&text), decoded(&text));
            let _ = forwarded_client_cert(&fields(&[("x-forwarded-client-cert", &text)]));
            let _ = client_cert(&fields(&[("client-cert", &text), ("client-cert-chain", &text)]));
        }
    }
}
