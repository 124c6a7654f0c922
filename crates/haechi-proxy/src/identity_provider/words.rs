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
