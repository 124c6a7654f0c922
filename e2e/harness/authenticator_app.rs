//! An authenticator app that is not ours: pyotp.

use super::python;

const SHOW: &str = "import pyotp, sys, time
print(pyotp.TOTP(sys.argv[1]).at(int(time.time()) + int(sys.argv[2])))";
const READ: &str = "import pyotp, sys
totp = pyotp.parse_uri(sys.argv[1])
print(totp.secret, totp.issuer, totp.name, totp.digits, totp.interval)";

/// What the app shows in so many seconds.
pub(crate) fn code_in(secret: &str, seconds: u32) -> String {
    python(SHOW, &[secret, &seconds.to_string()])
}

/// What the app makes of the address that it is set up with: secret, issuer, account, digits, seconds.
pub(crate) fn set_up(uri: &str) -> Vec<String> {
    python(READ, &[uri]).split(' ').map(str::to_owned).collect()
}
