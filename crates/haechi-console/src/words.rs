//! What the pages say, in English and Korean.

use haechi_core::Fields;
use haechi_core::language::prefers_korean;

macro_rules! words {
    ($($name:ident: $english:literal, $korean:literal;)*) => {
        /// Everything that the pages say.
        pub(crate) struct Words {
            /// The language's tag (RFC 5646).
            pub(crate) tag: &'static str,
            $(pub(crate) $name: &'static str,)*
        }

        const ENGLISH: Words = Words { tag: "en", $($name: $english,)* };
        const KOREAN: Words = Words { tag: "ko", $($name: $korean,)* };

        #[cfg(test)]
        const PAIRS: &[(&str, &str)] = &[$(($english, $korean),)*];
    };
}

words! {
    log_in: "Log in", "로그인";
    log_out: "Log out", "로그아웃";
    skip: "Skip to content", "본문으로 건너뛰기";
    username: "User name", "사용자 이름";
    password: "Password", "비밀번호";
    code: "Code, if you use an authenticator app", "인증 앱을 쓰는 경우 인증 코드";
    wrong: "The user name, the password or the code is wrong, or the account cannot log in at the moment.", "사용자 이름, 비밀번호 또는 코드가 올바르지 않거나, 지금은 로그인할 수 없는 계정입니다.";
    code_needed: "Enter the code of your authenticator app beside your password.", "비밀번호와 함께 인증 앱의 코드를 입력하세요.";
    change_needed: "Your password must be changed before you log in. Do it on your account page.", "로그인하기 전에 비밀번호를 바꿔야 합니다. 내 계정 페이지에서 바꾸세요.";
    too_many: "There were too many attempts. Try again later.", "시도가 너무 많았습니다. 잠시 후 다시 시도하세요.";
    cannot_tell: "Whether you may log in could not be found out. Try again later.", "지금은 로그인할 수 있는지 확인할 수 없습니다. 잠시 후 다시 시도하세요.";
    not_ours: "The form did not come from this page. Open it again and try once more.", "이 페이지에서 보낸 양식이 아닙니다. 페이지를 다시 열어 시도하세요.";
    needs_tls: "The console is shown over TLS, or to this machine.", "콘솔은 TLS로만, 또는 이 컴퓨터에서만 볼 수 있습니다.";
    no_provider: "Nobody can log in: the configuration has no identity provider.", "설정에 ID 공급자가 없어 로그인할 수 없습니다.";
    forbidden: "You may not see this", "볼 권한이 없습니다";
    forbidden_text: "Your roles, or the policies of the admin API, do not permit it.", "역할 또는 관리 API의 정책이 허용하지 않습니다.";
    missing: "There is no such page", "없는 페이지입니다";
    missing_text: "It may have been removed, or is remembered no more.", "삭제되었거나 더는 기록이 남아 있지 않습니다.";
    failed: "This could not be shown", "표시할 수 없습니다";
    overview: "Overview", "개요";
    decisions: "Decisions", "결정";
    decision: "Decision", "결정 상세";
    users: "Users", "사용자";
    keys: "API keys", "API 키";
    parts: "Parts of the gate", "게이트 구성 요소";
    part: "Part", "구성 요소";
    state: "State", "상태";
    ready: "ready", "준비됨";
    not_ready: "not ready", "준비되지 않음";
    configuration: "Configuration in force", "적용 중인 설정";
    generation: "Generation", "세대";
    since: "Since", "적용 시각";
    because: "Because of", "이유";
    by: "By", "변경한 사람";
    endpoints: "Endpoints", "엔드포인트";
    service: "Service", "서비스";
    endpoint: "Endpoint", "엔드포인트 주소";
    health: "Health", "상태 검사";
    takes: "Takes requests", "요청 수신";
    in_flight: "In flight", "처리 중";
    yes: "yes", "예";
    no: "no", "아니요";
    issuers: "Issuers", "발급자";
    issuer: "Issuer", "발급자 이름";
    authenticator: "Authenticator", "인증기";
    key_count: "Keys", "키 수";
    certificates: "Certificates", "인증서";
    subject: "Subject", "주체";
    file: "File", "파일";
    ends: "Ends", "만료";
    requests: "Requests since the start, by status", "시작 이후 상태별 요청 수";
    status: "Status", "상태 코드";
    count: "Count", "횟수";
    none: "There are none.", "없습니다.";
    no_decisions: "No decision fits. Decisions are remembered for a while by the gate that made them: send it a request, or leave out a filter.", "해당하는 결정이 없습니다. 결정은 내린 게이트에 한동안만 남습니다. 요청을 보내거나 필터를 지워 보세요.";
    no_users: "No user fits. `haechi user add NAME` adds one.", "해당하는 사용자가 없습니다. `haechi user add 이름`으로 추가할 수 있습니다.";
    no_keys: "No key fits. `haechi key create` makes one.", "해당하는 키가 없습니다. `haechi key create`로 만들 수 있습니다.";
    time: "Time (UTC)", "시각(UTC)";
    outcome: "Outcome", "결과";
    any: "any", "전체";
    allow: "allow", "허용";
    deny: "deny", "거부";
    unavailable: "unavailable", "확인 불가";
    request: "Request", "요청";
    route: "Route", "라우트";
    reason: "Reason", "사유";
    address: "Address", "주소";
    show: "Show", "보기";
    reload: "Reload", "새로 고침";
    next: "Next page", "다음 페이지";
    first: "First page", "첫 페이지";
    decided_by: "Decided by", "결정 근거";
    facts: "Facts that were read", "읽은 사실";
    fact: "Fact", "사실";
    value: "Value", "값";
    whole: "The whole record", "전체 기록";
    name: "Name", "이름";
    roles: "Roles", "역할";
    added: "Added", "추가된 시각";
    locked: "locked", "잠김";
    disabled: "disabled", "사용 중지";
    active: "active", "사용 중";
    expired: "expired", "만료됨";
    revoked: "revoked", "폐기됨";
    owner: "Owner", "소유자";
    role: "Role", "역할";
    last_used: "Last used", "마지막 사용";
    never: "never", "없음";
    id: "Id", "ID";
}

impl Words {
    /// In the language that the request prefers.
    pub(crate) fn of(fields: &Fields) -> &'static Self {
        if prefers_korean(fields) { &KOREAN } else { &ENGLISH }
    }

    /// A word of the API, where pages have another for it.
    pub(crate) fn word<'a>(&self, of_api: &'a str) -> &'a str
    where
        'static: 'a,
    {
        match of_api {
            "allow" => self.allow,
            "deny" => self.deny,
            "unavailable" => self.unavailable,
            "active" => self.active,
            "expired" => self.expired,
            "revoked" => self.revoked,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PAIRS;

    #[test]
    fn everything_is_said_in_both_languages() {
        for (english, korean) in PAIRS {
            let is_korean = korean.chars().any(|c| ('가'..='힣').contains(&c)) || *english == "Id";
            assert!(!english.is_empty() && is_korean, "{english}");
        }
    }
}
