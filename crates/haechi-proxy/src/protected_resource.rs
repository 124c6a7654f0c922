//! What the gate says of the resources behind it, and where clients read it (RFC 9728).

use haechi_core::{Host, RequestHead};
use serde_json::{Map, Value};

/// Below which path metadata are.
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// A resource that clients ask an authorization server for tokens for: everything below a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    /// Without a slash at the end: empty for the whole site.
    path: Box<str>,
    /// What is said of it besides `resource`.
    members: Map<String, Value>,
}

impl ProtectedResource {
    /// Everything below `path`, of which these members are said.
    pub fn new(path: &str, members: Map<String, Value>) -> Self {
        Self { path: path.trim_end_matches('/').into(), members }
    }

    /// Where it is: empty for the whole site.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where its metadata are (RFC 9728 3.1).
    pub fn metadata_path(&self) -> String {
        format!("{METADATA_PATH}{}", self.path)
    }

    /// Whether what is at `path` is of it.
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&*self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Its metadata, for whoever asked like this: `resource` is what the client that asked computes it to be.
    pub(crate) fn document(&self, head: &RequestHead) -> Vec<u8> {
        let mut document = Map::new();
        let site = site(&head.host, head.secure);
        document.insert("resource".to_owned(), format!("{site}{}", self.path).into());
        document.extend(self.members.clone());
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

/// The metadata of what was asked for. Only refusals tell their address, so it is not made before.
pub(crate) struct MetadataOf<'r> {
    resource: &'r ProtectedResource,
    host: Host,
    secure: bool,
}

impl<'r> MetadataOf<'r> {
    /// Of the one of `resources` with the longest path, if what was asked for is of any.
    pub(crate) fn what_is_asked(resources: &'r [ProtectedResource], head: &RequestHead) -> Option<Self> {
        let path = head.path.as_str();
        let covering = resources.iter().filter(|resource| resource.covers(path));
        let resource = covering.max_by_key(|resource| resource.path.len())?;
        Some(Self { resource, host: head.host.clone(), secure: head.secure })
    }

    /// Where they are, as the client knows this site.
    pub(crate) fn address(&self) -> Box<str> {
        format!("{}{}", site(&self.host, self.secure), self.resource.metadata_path()).into()
    }
}

/// The resource whose metadata are at this path.
pub(crate) fn at<'r>(resources: &'r [ProtectedResource], path: &str) -> Option<&'r ProtectedResource> {
    resources.iter().find(|resource| path.strip_prefix(METADATA_PATH) == Some(&*resource.path))
}

/// Scheme, host and port under which the client knows this site.
fn site(host: &Host, secure: bool) -> String {
    let scheme = if secure { "https" } else { "http" };
    let port = host.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{scheme}://{}{port}", host.name())
}

#[cfg(test)]
mod tests {
    use super::ProtectedResource;
    use serde_json::Map;

    #[test]
    fn a_resource_is_whole_segments() {
        let mcp = ProtectedResource::new("/mcp", Map::new());
        for (path, covered) in [
            ("/mcp", true),
            ("/mcp/", true),
            ("/mcp/a", true),
            ("/mcpx", false),
            ("/", false),
            ("/a/mcp", false),
        ] {
            assert_eq!(mcp.covers(path), covered, "{path}");
        }
        let whole = ProtectedResource::new("/", Map::new());
        assert!(whole.covers("/") && whole.covers("/a") && whole.path().is_empty());
        assert_eq!(whole.metadata_path(), "/.well-known/oauth-protected-resource");
    }
}
