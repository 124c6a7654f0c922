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
    logged_out: "The session has ended. Log in again.", "세션이 끝났습니다. 다시 로그인하세요.";
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
    user: "User", "사용자 상세";
    key: "API key", "API 키 상세";
    client: "Client", "클라이언트 상세";
    clients: "Clients", "클라이언트";
    sessions: "Sessions", "세션";
    signing_keys: "Signing keys", "서명 키";
    policies: "Policies", "정책";
    policy: "Policy", "정책 상세";
    approvals: "Waiting for a second person", "두 번째 사람의 승인 대기";
    audit: "Audit", "감사 기록";
    routes: "Routes", "라우트 목록";
    services: "Services", "서비스 목록";
    matrix: "Matrix", "권한표";
    who_can: "Who can", "누가 할 수 있나";
    explain: "What if", "요청해 보기";
    who_can_hint: "Enter a path to see everybody who may ask for it.", "경로를 입력하면 그 요청을 할 수 있는 모두가 표시됩니다.";
    explain_hint: "Enter a request to see what would become of it, and why. Nothing is sent to a service. A user counts before roles and scopes.", "요청을 입력하면 결과와 이유가 표시됩니다. 서비스로는 아무것도 보내지 않습니다. 사용자를 입력하면 역할과 스코프는 쓰지 않습니다.";
    method: "Method", "메서드";
    path: "Path", "경로";
    host: "Host", "호스트";
    condition: "On condition", "조건";
    depends: "depends", "조건부";
    nobody: "Nobody.", "아무도 없습니다.";
    truncated: "There are more than are shown.", "표시된 것보다 더 있습니다.";
    built_in: "(built in)", "(내장)";
    rule: "Rule", "규칙";
    limit: "Limits", "제한";
    circuit: "Circuit", "서킷";
    of_this_process: "As this process knows them. Draining keeps new requests from an endpoint, here and until the next start.", "이 프로세스가 아는 상태입니다. 비우기는 이 프로세스에서, 다음 시작 전까지 새 요청을 보내지 않게 합니다.";
    drain: "Drain", "비우기";
    admit: "Let requests in", "다시 받기";
    change: "Change", "변경";
    changed: "Changed", "변경된 시각";
    save: "Save", "저장";
    check: "Check", "검사";
    write: "Write", "작성";
    delete: "Delete", "삭제";
    add_user: "Add a user", "사용자 추가";
    add_client: "Add a client", "클라이언트 추가";
    create_key: "Create a key", "키 만들기";
    new_policy: "Name of a new policy", "새 정책의 이름";
    attributes: "Attributes", "속성";
    second_factor: "Second factor", "2단계 인증";
    must_change: "(must change the password)", "(비밀번호를 바꿔야 함)";
    unlock: "Unlock", "잠금 해제";
    enable: "Enable", "사용 재개";
    disable: "Disable", "사용 중지하기";
    end: "End", "종료";
    end_all: "End all sessions", "모든 세션 종료";
    take_factor: "Take the second factor away", "2단계 인증 제거";
    many: "Several with commas between them.", "여러 개는 쉼표로 구분합니다.";
    scopes: "Scopes", "스코프";
    addresses: "Allowed addresses", "허용 주소";
    addresses_hint: "Addresses or networks, such as 10.0.0.0/8. Any where none is named.", "10.0.0.0/8 같은 주소나 네트워크입니다. 비우면 어디서나 쓸 수 있습니다.";
    days: "Expires in days", "만료까지의 일수";
    days_hint: "Never where it is left empty.", "비우면 만료되지 않습니다.";
    overlap: "Hours for which the old secret goes on working", "이전 비밀을 계속 쓸 수 있는 시간";
    previous: "The old secret works until", "이전 비밀의 유효 기한";
    rotate: "Rotate", "교체";
    revoke: "Revoke", "폐기하기";
    retire: "Retire", "은퇴시키기";
    ending_soon: "Expiring within 30 days", "30일 안에 만료";
    unused: "Unused for 90 days", "90일 동안 미사용";
    proof: "Proof", "증명 방법";
    audiences: "Audiences", "대상(aud)";
    redirects: "Redirect URIs", "리디렉션 URI";
    algorithm: "Algorithm", "알고리즘";
    published_until: "Published until", "게시 기한";
    seal: "Seal", "봉인 키";
    source: "Source", "출처";
    versions: "Versions", "버전 기록";
    version: "Version", "버전";
    roll_back: "Back to this one", "이 버전으로 되돌리기";
    would_be_taken: "It would be taken as it is. Nothing is changed yet.", "이대로 적용할 수 있습니다. 아직 바뀐 것은 없습니다.";
    content: "Content", "내용";
    approve: "Approve", "승인";
    reject: "Reject", "거절";
    decide: "Decide", "처리";
    waits: "It waits for a second person.", "두 번째 사람의 승인을 기다립니다.";
    done: "Done.", "완료했습니다.";
    event: "Event", "이벤트";
    until: "Until", "까지";
    request_id: "Request id", "요청 ID";
    verify: "Verify the trail", "기록 검증";
    everything: "Everything about this person", "이 사람에 관한 모든 기록";
    erase: "Erase a person", "개인 기록 삭제";
    erase_text: "The key of this person is destroyed. What the trail has of them can be read by nobody any more; this cannot be taken back.", "이 사람의 키를 없앱니다. 감사 기록에 남은 내용은 아무도 읽을 수 없게 되며, 되돌릴 수 없습니다.";
    confirm: "Confirm that it is you", "본인 확인";
    again: "This cannot be taken back, or shows a secret. Enter your password once more.", "되돌릴 수 없거나 비밀을 보여 주는 작업입니다. 비밀번호를 다시 입력하세요.";
    go_on: "Go on", "계속";
    secret: "Secret", "비밀";
    secret_once: "The secret is shown once. Copy it now.", "비밀은 한 번만 표시됩니다. 지금 복사하세요.";
    live: "Live", "실시간";
    pause: "Pause", "멈춤";
    opening: "Opening the stream.", "스트림을 여는 중입니다.";
    running: "Decisions appear here as they are made.", "결정이 내려지는 대로 표시됩니다.";
    stopped: "Stopped.", "멈췄습니다.";
    broken: "The connection is broken; it is opened again.", "연결이 끊겨 다시 연결합니다.";
    missed: "not shown:", "표시하지 못함:";
    needs_script: "This page needs script. The list of decisions does not.", "이 페이지는 스크립트가 필요합니다. 결정 목록은 스크립트 없이 볼 수 있습니다.";
    candidate: "Candidate", "후보 설정";
    candidate_hint: "A configuration that is not in force. It is checked, or compared with the one in force: which access is wider or narrower, with an example of each. Nothing changes.", "적용되지 않은 설정입니다. 검사하거나, 적용 중인 설정과 비교해 넓어지거나 좁아진 접근을 예와 함께 보여 줍니다. 아무것도 바뀌지 않습니다.";
    compare: "Compare", "비교";
    answer: "Answer", "응답";
    last_hour: "The last hour", "최근 한 시간";
    now: "now", "지금";
    most: "at most", "최대";
    requests_a_second: "Requests", "요청 수";
    refused_a_second: "Refused (4xx)", "거부(4xx)";
    failed_a_second: "Failed (5xx)", "실패(5xx)";
    took: "Mean time", "평균 시간";
    back: "Back", "돌아가기";
    export: "This page as", "이 페이지 내려받기";
    no_clients: "There are no clients. `haechi client add NAME` adds one.", "클라이언트가 없습니다. `haechi client add 이름`으로 추가할 수 있습니다.";
    no_sessions: "No session fits. One is here for each login that can be refreshed.", "해당하는 세션이 없습니다. 갱신할 수 있는 로그인마다 하나씩 표시됩니다.";
    no_policies: "There are no policies. Write one here, or name files in `authorization.policies`.", "정책이 없습니다. 여기서 작성하거나 `authorization.policies`에 파일을 지정하세요.";
    no_approvals: "Nothing waits. With `approvals: 2` changes of policies and erasures come here.", "대기 중인 변경이 없습니다. `approvals: 2`이면 정책 변경과 삭제가 여기에 표시됩니다.";
    no_records: "No record fits. The trail is written where `audit` is configured.", "해당하는 기록이 없습니다. `audit`를 설정하면 기록됩니다.";
}

impl Words {
    /// In the language that was chosen, or that the request prefers.
    pub(crate) fn of(fields: &Fields, chosen: Option<&str>) -> &'static Self {
        match chosen {
            Some("ko") => &KOREAN,
            Some("en") => &ENGLISH,
            _ if prefers_korean(fields) => &KOREAN,
            _ => &ENGLISH,
        }
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
