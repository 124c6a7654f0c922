//! What the provider's pages say, in English and Korean.

pub(super) use crate::language::Language;

macro_rules! words {
    ($($name:ident: $english:literal, $korean:literal;)*) => {
        /// Everything that the pages say.
        pub(super) struct Words {
            $(pub(super) $name: &'static str,)*
        }

        const ENGLISH: Words = Words { $($name: $english,)* };
        const KOREAN: Words = Words { $($name: $korean,)* };

        #[cfg(test)]
        const PAIRS: &[(&str, &str)] = &[$(($english, $korean),)*];
    };
}

words! {
    log_in: "Log in", "로그인";
    on_to: "You continue to", "다음 애플리케이션으로 이동합니다:";
    username: "User name", "사용자 이름";
    password: "Password", "비밀번호";
    cancel: "Cancel", "취소";
    wrong_credentials: "The user name or the password is wrong, or the account cannot log in at the moment.", "사용자 이름 또는 비밀번호가 올바르지 않거나, 지금은 로그인할 수 없는 계정입니다.";
    code_title: "Second step", "2단계 인증";
    code: "Code", "인증 코드";
    code_text: "Enter the six digits that your authenticator app shows, or one of your recovery codes.", "인증 앱에 표시된 6자리 숫자 또는 복구 코드를 입력하세요.";
    code_continue: "Continue", "계속";
    wrong_code: "The code is wrong or was used already, or the account cannot log in at the moment.", "코드가 올바르지 않거나 이미 사용되었거나, 지금은 로그인할 수 없는 계정입니다.";
    must_change: "Your password must be changed before you go on.", "계속하려면 비밀번호를 바꿔야 합니다.";
    password_rule: "At least 15 characters, or 8 with a second step. Several words are easier to remember than symbols.", "15자 이상, 2단계 인증을 쓰면 8자 이상입니다. 여러 단어가 기호보다 기억하기 쉽습니다.";
    current_password: "Current password", "현재 비밀번호";
    new_password: "New password", "새 비밀번호";
    repeated_password: "New password again", "새 비밀번호 다시 입력";
    change_password: "Change password", "비밀번호 바꾸기";
    wrong_current: "The current password is wrong, or the account cannot be changed at the moment.", "현재 비밀번호가 올바르지 않거나, 지금은 바꿀 수 없는 계정입니다.";
    not_repeated: "The two new passwords are not the same.", "새 비밀번호 두 개가 서로 다릅니다.";
    short_password: "Your password is too short to go without a second step. Choose a longer one first.", "2단계 인증 없이 쓰기에는 비밀번호가 짧습니다. 먼저 더 긴 비밀번호로 바꾸세요.";
    wrong_first_code: "This is not a code of the key below. Check the clock of your phone and try again.", "아래 키의 코드가 아닙니다. 휴대폰의 시각을 확인하고 다시 시도하세요.";
    factor_on: "A code of your authenticator app is asked for when you log in.", "로그인할 때 인증 앱의 코드를 요청합니다.";
    factor_off: "With an authenticator app on your phone, nobody logs in as you with your password alone.", "휴대폰의 인증 앱을 쓰면 비밀번호만으로는 아무도 로그인할 수 없습니다.";
    set_up: "Set up an app", "인증 앱 설정";
    another_app: "Set up another app", "다른 인증 앱 설정";
    new_codes: "New recovery codes", "복구 코드 새로 받기";
    turn_off: "Turn off", "끄기";
    turn_on: "Turn on", "켜기";
    set_up_text: "Scan this with your authenticator app, then enter the code that it shows.", "인증 앱으로 스캔한 뒤, 앱에 표시된 코드를 입력하세요.";
    qr: "QR code for the authenticator app", "인증 앱용 QR 코드";
    set_up_key: "Or type this key:", "또는 이 키를 입력하세요:";
    set_up_link: "Open in an app on this device", "이 기기의 앱에서 열기";
    first_code: "Code that the app shows", "앱에 표시된 코드";
    codes_title: "Recovery codes", "복구 코드";
    codes_text: "Each of these works once in place of a code, for when you have lost your phone. They are shown this once: keep them in a safe place.", "휴대폰을 잃어버렸을 때 코드 대신 한 번씩 쓸 수 있습니다. 지금 한 번만 표시되니 안전한 곳에 보관하세요.";
    codes_kept: "I have kept them", "보관했습니다";
    account: "Your account", "내 계정";
    back_to_account: "Your account", "내 계정으로";
    is_on: "(on)", "(켜짐)";
    is_off: "(off)", "(꺼짐)";
    passkeys: "Passkeys", "패스키";
    passkeys_text: "With a passkey you log in with your device's screen lock or a security key, without your password.", "패스키를 쓰면 비밀번호 없이 기기의 화면 잠금이나 보안 키로 로그인합니다.";
    no_passkeys: "You have none yet.", "아직 없습니다.";
    passkey_name: "Name, such as the device's", "이름(예: 기기 이름)";
    passkey_add: "Add a passkey", "패스키 추가";
    passkey_make: "Your browser will now make the passkey:", "브라우저에서 다음 패스키를 만듭니다:";
    passkey_create: "Create the passkey", "패스키 만들기";
    passkey_without: "This browser does not offer passkeys, or scripts are turned off.", "이 브라우저는 패스키를 지원하지 않거나 스크립트가 꺼져 있습니다.";
    passkey_log_in: "Use a passkey", "패스키 사용";
    passkey_failed: "The passkey was not used. Try again, or go on without it.", "패스키를 사용하지 못했습니다. 다시 시도하거나 다른 방법으로 계속하세요.";
    wrong_passkey: "The passkey was not accepted, or the account cannot log in at the moment.", "패스키가 인정되지 않았거나, 지금은 로그인할 수 없는 계정입니다.";
    wrong_new_passkey: "The passkey could not be added. It may be here already; else try again.", "패스키를 추가하지 못했습니다. 이미 등록된 것일 수 있습니다. 아니라면 다시 시도하세요.";
    ask_passkey: "Ask for a passkey beside the password", "비밀번호와 함께 패스키 요청";
    passkey_asked: "A passkey is asked for beside your password when you log in.", "로그인할 때 비밀번호와 함께 패스키를 요청합니다.";
    passkey_second_text: "Use your passkey, or enter one of your recovery codes.", "패스키를 사용하거나 복구 코드를 입력하세요.";
    last_passkey: "This is your last passkey, and it is asked for when you log in. Turn off the second step first.", "로그인할 때 요청하는 마지막 패스키입니다. 먼저 2단계 인증을 끄세요.";
    passkey_synced: "may be on several devices", "여러 기기에서 쓸 수 있음";
    passkey_bound: "on one device", "한 기기에서만 사용";
    passkey_remove: "Remove", "삭제";
    passkey_remove_title: "Remove the passkey?", "패스키를 삭제할까요?";
    passkey_remove_text: "It will not log you in any more, and all your logins end.", "더 이상 이 패스키로 로그인할 수 없으며, 모든 로그인이 끝납니다.";
    logins: "Where you are logged in", "로그인된 곳";
    browser: "Browser", "브라우저";
    token_login: "Login without a browser", "브라우저 없는 로그인";
    this_login: "this one", "현재 로그인";
    began: "since", "시작:";
    used: "last used", "마지막 사용:";
    end_login: "End this login", "이 로그인 끝내기";
    end_others: "End all others", "다른 로그인 모두 끝내기";
    consents: "Applications that you allowed access", "접근을 허용한 애플리케이션";
    no_consents: "None.", "없습니다.";
    withdraw: "Take back", "허용 취소";
    old_form: "The page was open for too long, or belongs to another browser. Please log in again.", "페이지가 너무 오래 열려 있었거나 다른 브라우저의 것입니다. 다시 로그인해 주세요.";
    consent: "Allow access?", "접근을 허용할까요?";
    asks_for: "asks for:", "애플리케이션이 요청하는 권한:";
    registered: "This application registered itself. Nobody has checked its name.", "이 애플리케이션은 스스로 등록했으며, 이름은 확인되지 않았습니다.";
    sent_to: "You will be sent to", "이동할 주소:";
    scope_openid: "to know that it is you", "본인 확인";
    scope_profile: "to see your user name", "사용자 이름 조회";
    scope_offline: "to stay logged in while you are away", "자리를 비운 동안에도 로그인 유지";
    scope_nothing: "to act for you here", "이 사이트에서 회원님을 대신해 동작";
    allow: "Allow", "허용";
    deny: "Do not allow", "허용 안 함";
    log_out: "Log out", "로그아웃";
    log_out_question: "Log out?", "로그아웃할까요?";
    logged_in_as: "Logged in as", "로그인한 사용자:";
    logged_out: "Logged out", "로그아웃됨";
    logged_out_text: "You have logged out.", "로그아웃되었습니다.";
}

impl Words {
    /// What the pages say in this language.
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Korean => &KOREAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Language, PAIRS};
    use haechi_core::Fields;

    #[test]
    fn the_language_is_the_one_that_the_browser_prefers() {
        for (accept, language) in [
            ("", Language::English),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Language::Korean),
            ("en-US,en;q=0.9,ko;q=0.8", Language::English),
            ("fr, ko;q=0.3", Language::Korean),
            ("de", Language::English),
            ("KO", Language::Korean),
            ("ko;q=0", Language::English),
            ("ko;q=x", Language::English),
            ("kok", Language::English),
        ] {
            let mut fields = Fields::default();
            fields.push(b"accept-language", accept.as_bytes());
            assert_eq!(Language::of(&fields), language, "{accept}");
        }
        assert_eq!(Language::of(&Fields::default()), Language::English);
    }

    #[test]
    fn everything_is_said_in_both_languages() {
        for (english, korean) in PAIRS {
            assert!(!english.is_empty() && korean.chars().any(|c| ('가'..='힣').contains(&c)), "{english}");
        }
    }
}
