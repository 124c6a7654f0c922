//! Where a form leads.

/// A page of the console; the first where it is none.
pub(crate) fn place(asked: &str) -> &str {
    let rest = asked.strip_prefix("/console").filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let plain = asked.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if rest.is_some() && plain && asked.len() <= 2048 { asked } else { "/console" }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_login_leads_to_a_page_of_the_console() {
        assert_eq!(place("/console/decisions?route=a%20b"), "/console/decisions?route=a%20b");
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/consoles",
            "/console/\r\nx: y",
            "/console\\x",
            "/",
        ] {
            assert_eq!(place(bad), "/console", "{bad}");
        }
    }
}
