//! PyJWT as the other side: it signs what we verify, and verifies what we sign.

use crate::harness::{Folder, Gate, PASSWORD, python, routes_to};
use haechi_testkit::Backend;
use serde_json::{Value, json};

const ISSUER: &str = "https://sso.example.com";

/// Makes a key for each algorithm, writes the set of public keys to the file named first, and prints a token for each algorithm.
const SIGN: &str = r#"
import json, sys, time
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
keys = {
    "r": (rsa_key, RSAAlgorithm, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    "e256": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm, ["ES256"]),
    "e384": (ec.generate_private_key(ec.SECP384R1()), ECAlgorithm, ["ES384"]),
    "e512": (ec.generate_private_key(ec.SECP521R1()), ECAlgorithm, ["ES512"]),
    "o": (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm, ["EdDSA"]),
}
published = []
tokens = {}
now = int(time.time())
claims = {"iss": sys.argv[2], "sub": "alice", "aud": "orders", "iat": now, "exp": now + 600}
for kid, (key, kind, algorithms) in keys.items():
    published.append({**json.loads(kind.to_jwk(key.public_key())), "kid": kid})
    for algorithm in algorithms:
        tokens[algorithm] = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})
with open(sys.argv[1], "w") as file:
    json.dump({"keys": published}, file)
print(json.dumps(tokens))
"#;

/// Verifies the token with the set of keys at the address, for the audience or none, and prints the claims.
const VERIFY: &str = r#"
import json, sys
import jwt
token, keys, issuer, audience = sys.argv[1:5]
key = jwt.PyJWKClient(keys).get_signing_key_from_jwt(token)
print(json.dumps(jwt.decode(
    token, key, algorithms=["EdDSA", "ES256", "RS256"], issuer=issuer, audience=audience or None,
    options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": bool(audience)},
)))
"#;

#[test]
fn what_pyjwt_signs_is_accepted() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "authenticators:
  corp:
    type: jwt
    issuer: {ISSUER}
    audiences: [orders]
    keys: {{ jwks_file: keys.json }}
    algorithms: [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA]
{}",
        routes_to(&backend, &[("/**", "[corp]", "any")])
    ));
    let tokens = python(SIGN, &[folder.file("keys.json").to_str().unwrap(), ISSUER]);
    let tokens: Value = serde_json::from_str(&tokens).unwrap();
    let gate = Gate::start_in(folder).ready();
    let tokens = tokens.as_object().unwrap();
    assert_eq!(tokens.len(), 10);
    for (algorithm, token) in tokens {
        let token = token.as_str().unwrap();
        assert_eq!(gate.get_with_token("/", token).status, 200, "{algorithm}");
        let broken = format!("{}A{}", &token[..token.len() - 9], &token[token.len() - 8..]);
        if broken != token {
            assert_eq!(gate.get_with_token("/", &broken).status, 401, "{algorithm}");
        }
    }
}

#[test]
fn what_we_sign_pyjwt_verifies() {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let backend = Backend::saying("reached");
        let routes = routes_to(&backend, &[("/**", "[local]", "any")]);
        let folder = Folder::new(&format!(
            "store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080, path: /auth, access_token: {{ algorithm: {algorithm}, lifetime: 10m }} }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
roles: {{ USER: {{}} }}
{}",
            routes.replacen("\"] }", "\"], identity: { token: { audience: web, lifetime: 60s } } }", 1)
        ));
        folder.add_user("alice", &["USER"]);
        let gate = Gate::start_in(folder).ready();
        let login = gate
            .post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD}))
            .expect(200)
            .json();
        let token = login["access_token"].as_str().unwrap();
        let keys = gate.url("/.well-known/jwks.json");
        let claims: Value =
            serde_json::from_str(&python(VERIFY, &[token, &keys, "http://localhost:8080", ""])).unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600, "{algorithm}");

        gate.get_with_token("/x", token).expect(200);
        let seen = backend.last();
        let told = seen.field("authorization").expect("the identity token").strip_prefix("Bearer ").unwrap();
        assert_ne!(told, token);
        let told: Value =
            serde_json::from_str(&python(VERIFY, &[told, &keys, "http://localhost:8080", "web"])).unwrap();
        assert_eq!(told["sub"], seen.field("x-auth-subject").unwrap());
        assert!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap() <= 60);
        // It is for the backend; here it opens nothing.
        let back = seen.field("authorization").unwrap().replace("Bearer ", "");
        gate.get_with_token("/x", &back).expect(401);
    }
}
