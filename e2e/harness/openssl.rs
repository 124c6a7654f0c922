//! Authorities, certificates and lists of revoked ones, made by the `openssl` command.

use super::Folder;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority in a folder of its own: `NAME.pem`, `NAME.key`, and what `openssl ca` keeps of what it has revoked.
pub(crate) struct OpensslCa {
    folder: PathBuf,
    name: String,
}

impl OpensslCa {
    /// One that nobody has signed. `extensions` stand in its certificate beside what makes it an authority.
    pub(crate) fn root(folder: &Folder, name: &str, subject: &str) -> Self {
        let ca = Self::at(folder.path(), name);
        let certificate = format!("{name}.pem");
        ca.openssl(
            &[
                &[
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days",
                    "3650",
                ][..],
                &["-subj", subject, "-keyout", &ca.key(), "-out", &certificate],
                &["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
            ]
            .concat(),
        );
        ca
    }

    /// Whoever has `NAME.pem` and `NAME.key`, whatever they may be used for.
    pub(crate) fn existing(folder: &Folder, name: &str) -> Self {
        Self::at(folder.path(), name)
    }

    /// One that this one has signed, with these extensions.
    pub(crate) fn intermediate(&self, name: &str, subject: &str, extensions: &str) -> Self {
        let extensions = format!(
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n{extensions}\n"
        );
        self.sign(name, subject, &extensions);
        Self::at(&self.folder, name)
    }

    /// Signs a certificate that may be shown by clients: `NAME.pem` and `NAME.key`. `more` are extensions.
    pub(crate) fn client(&self, name: &str, subject: &str, more: &str) {
        self.sign(name, subject, &format!("extendedKeyUsage=clientAuth\n{more}\n"));
    }

    /// Signs a certificate with these extensions and no other.
    pub(crate) fn sign(&self, name: &str, subject: &str, extensions: &str) {
        self.sign_for(name, subject, extensions, "3650");
    }

    /// The same, for so many days.
    pub(crate) fn sign_for(&self, name: &str, subject: &str, extensions: &str, days: &str) {
        std::fs::write(self.folder.join("extensions"), extensions).unwrap();
        let (key, request, made) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        self.openssl(
            &[
                &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"][..],
                &["-subj", subject, "-keyout", &key, "-out", &request],
            ]
            .concat(),
        );
        let (ca, ca_key) = (format!("{}.pem", self.name), self.key());
        self.openssl(
            &[
                &["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"][..],
                &["-days", days, "-extfile", "extensions", "-out", &made],
            ]
            .concat(),
        );
    }

    /// Puts the certificate `name` on the list of what it has revoked.
    pub(crate) fn revoke(&self, name: &str) {
        self.openssl(&["ca", "-config", &self.settings(), "-revoke", &format!("{name}.pem")]);
    }

    /// The list, in PEM, which says that the next one is due in so many hours.
    pub(crate) fn revocation_list(&self, hours: &str) -> String {
        let file = format!("{}.crl", self.name);
        self.openssl(&["ca", "-config", &self.settings(), "-gencrl", "-crlhours", hours, "-out", &file]);
        std::fs::read_to_string(self.folder.join(file)).unwrap()
    }

    fn at(folder: &Path, name: &str) -> Self {
        let ca = Self { folder: folder.to_owned(), name: name.to_owned() };
        let settings = format!(
            "[ca]\ndefault_ca = this\n[this]\ndatabase = {name}.index\ncrlnumber = {name}.number\ncertificate = {name}.pem\nprivate_key = {name}.key\ndefault_md = sha256\n"
        );
        for (file, text) in
            [(ca.settings(), &*settings), (format!("{name}.index"), ""), (format!("{name}.number"), "01\n")]
        {
            std::fs::write(folder.join(file), text).unwrap();
        }
        ca
    }

    fn settings(&self) -> String {
        format!("{}.cnf", self.name)
    }

    fn key(&self) -> String {
        format!("{}.key", self.name)
    }

    #[track_caller]
    fn openssl(&self, arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).current_dir(&self.folder).output().unwrap();
        assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
