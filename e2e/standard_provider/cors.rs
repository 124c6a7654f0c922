//! Pages of public clients read what the token endpoint and userinfo tell them; other pages do not (docs/identity-provider.md#single-page-applications).

use super::{World, add_client};
use crate::harness::{PATIENCE, Reply, eventually};
use haechi_testkit::Backend;

const APP: &str = "https://app.example.com";

impl World {
    fn from(&self, origin: &str, path: &str, more: &[&str]) -> Reply {
        let origin = format!("Origin: {origin}");
        self.gate.curl(path, &[&["-H", &origin], more].concat())
    }

    fn preflight(&self, origin: &str, path: &str, method: &str, headers: &str) -> Reply {
        let method = format!("Access-Control-Request-Method: {method}");
        let headers = format!("Access-Control-Request-Headers: {headers}");
        self.from(origin, path, &["-X", "OPTIONS", "-H", &method, "-H", &headers])
    }
}

fn allowed(reply: &Reply) -> Option<&str> {
    reply.field("access-control-allow-origin")
}

#[test]
fn pages_of_public_clients_may_read_tokens_and_others_may_not() {
    let backend = Backend::saying("reached");
    let world = World::new(&backend);
    eventually(PATIENCE, || allowed(&world.preflight(APP, "/auth/token", "POST", "")).map(|_| ()));
    let code = world.code(&world.public);
    let form = [
        "grant_type=authorization_code",
        &format!("code={code}"),
        &format!("redirect_uri={}", super::REDIRECT),
        &format!("code_verifier={}", super::VERIFIER),
        &format!("client_id={}", world.public.id),
    ]
    .join("&");
    let reply = world.from(APP, "/auth/token", &["-d", &form]).expect(200);
    assert_eq!(allowed(&reply), Some(APP));
    assert!(reply.field("access-control-allow-credentials").is_none(), "no cookie comes along");
    let token = reply.json()["access_token"].as_str().unwrap().to_owned();
    let preflight = world.preflight(APP, "/auth/userinfo", "GET", "authorization").expect(204);
    assert_eq!(allowed(&preflight), Some(APP));
    assert!(preflight.field("access-control-allow-headers").unwrap().contains("authorization"));
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(allowed(&world.from(APP, "/auth/userinfo", &["-H", &bearer]).expect(200)), Some(APP));
    // An error is to be read as well.
    assert_eq!(allowed(&world.from(APP, "/auth/token", &["-d", "grant_type=x"]).expect(400)), Some(APP));
    for other in ["https://evil.example", "https://app.example.com:8443", "http://app.example.com", "null"] {
        for (path, method) in [("/auth/token", "POST"), ("/auth/userinfo", "GET"), ("/auth/revoke", "POST")] {
            assert_eq!(allowed(&world.preflight(other, path, method, "")), None, "{other}");
            let reply = world.from(other, path, &["-X", method]);
            assert_eq!(allowed(&reply), None, "{other}");
            assert!(
                reply.head.all("vary").iter().any(|vary| vary.eq_ignore_ascii_case("origin")),
                "caches are told"
            );
        }
    }
    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
        assert_eq!(allowed(&world.from("https://anybody.example", path, &[]).expect(200)), Some("*"));
    }
    // Whatever else the provider answers is read by pages of its own alone.
    for path in ["/auth/login", "/auth/password", "/auth/totp", "/auth/introspect", "/auth/sessions"] {
        let preflight = world.preflight(APP, path, "POST", "content-type");
        assert_eq!(allowed(&preflight), None, "{path}");
    }
    // A client that is added while the gate runs.
    let later = ["later", "--public", "--redirect-uri", "https://later.example.com/cb"];
    add_client(world.gate.folder(), &later);
    let asks =
        || allowed(&world.preflight("https://later.example.com", "/auth/token", "POST", "")).map(|_| ());
    eventually(PATIENCE, asks);
}
