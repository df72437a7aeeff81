//! Certificates for the TLS listeners, made by openssl for one run: an authority, a broker and a client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::output;

/// Files that a client needs for TLS and mTLS, in PEM form.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority that signed the brokers' certificate.
    pub authority: PathBuf,
    /// The client's certificate.
    pub client_certificate: PathBuf,
    /// The client's private key, without a password.
    pub client_key: PathBuf,
    /// The certificate of a server at `localhost` and `127.0.0.1`; the brokers show it too.
    pub server_certificate: PathBuf,
    /// Its private key in PKCS #8, without a password.
    pub server_key: PathBuf,
}

/// Names a broker is reached by.
const BROKER_EXTENSIONS: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";

impl Certificates {
    /// Makes them in `folder/tls`, the broker's keystore (`broker-keystore.pem`: key, certificate, authority) included.
    pub(super) fn make(folder: &Path) -> anyhow::Result<Self> {
        let tls = folder.join("tls");
        fs::create_dir_all(&tls)?;
        fs::write(tls.join("extensions"), BROKER_EXTENSIONS)?;
        openssl(&tls, "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=test-ca -keyout ca.key -out ca.pem")?;
        sign(&tls, "broker", "localhost")?;
        sign(&tls, "client", "client")?;
        // Java wants the key in PKCS #8.
        openssl(&tls, "pkcs8 -topk8 -nocrypt -in broker.key -out broker.p8")?;
        let mut keystore = String::new();
        for part in ["broker.p8", "broker.pem", "ca.pem"] {
            keystore.push_str(&fs::read_to_string(tls.join(part))?);
        }
        fs::write(tls.join("broker-keystore.pem"), keystore)?;
        Ok(Self {
            authority: tls.join("ca.pem"),
            client_certificate: tls.join("client.pem"),
            client_key: tls.join("client.key"),
            server_certificate: tls.join("broker.pem"),
            server_key: tls.join("broker.p8"),
        })
    }
}

fn sign(tls: &Path, name: &str, subject: &str) -> anyhow::Result<()> {
    let request = format!("req -newkey rsa:2048 -nodes -subj /CN={subject} -keyout {name}.key -out {name}.csr");
    openssl(tls, &request)?;
    let signed = format!("-in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out {name}.pem");
    openssl(tls, &format!("x509 -req -extfile extensions {signed}"))
}

fn openssl(tls: &Path, arguments: &str) -> anyhow::Result<()> {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(tls);
    output(&mut command, "install openssl").map(drop)
}
