//! What the pages say, in English and Korean.

use crate::zone::Zone;
use haechi_core::Fields;
use haechi_core::language::prefers_korean;
use std::ops::Deref;

macro_rules! words {
    ($($name:ident: $english:literal, $korean:literal;)*) => {
        /// Everything that the pages say.
        #[derive(Debug)]
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
    time: "Time", "시각";
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
    again: "This cannot be taken back, shows a secret, or says what somebody may do. Enter your password once more.", "되돌릴 수 없거나, 비밀을 보여 주거나, 누군가의 권한을 정하는 작업입니다. 비밀번호를 다시 입력하세요.";
    new_password: "Password of the new user", "새 사용자의 비밀번호";
    own_password: "Your password", "내 비밀번호";
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
    candidate_hint: "A configuration that is not in force. It is checked; or compared with the one in force, proved, tried on cases, and on the requests of the last hours: none of that changes anything.", "적용되지 않은 설정입니다. 검사하거나, 적용 중인 설정과 비교하고 증명하며 케이스와 최근 요청으로 시험합니다. 시험만으로는 아무것도 바뀌지 않습니다.";
    answer: "Answer", "응답";
    last_hour: "The last hour", "최근 한 시간";
    now: "now", "지금";
    most: "at most", "최대";
    requests_a_second: "Requests", "요청 수";
    refused_a_second: "Refused (4xx)", "거부(4xx)";
    failed_a_second: "Failed (5xx)", "실패(5xx)";
    took: "Mean time", "평균 시간";
    refusals: "Refusals of the last hour, by reason", "최근 한 시간의 사유별 거부";
    nothing_refused: "Nothing was refused.", "거부된 요청이 없습니다.";
    told_clients: "What clients were told", "클라이언트에 알린 사유";
    denials: "Why callers were denied", "호출자를 거부한 사유";
    behind_refusals: "Authenticators and limits", "인증기와 제한";
    rejected_by: "Credential that does not hold, for", "유효하지 않은 자격 증명, 인증기";
    unknown_to: "Could not be found out, for", "확인할 수 없음, 인증기";
    over_limit_by: "Over a rate limit by", "요청 한도 초과, 기준";
    reached_limit: "Limit of the gate", "게이트의 제한";
    all_of_them: "All of them", "모두 보기";
    no_credential: "No credential", "자격 증명 없음";
    bad_credential: "A credential that does not hold", "유효하지 않은 자격 증명";
    not_allowed: "Known, and not allowed", "권한 없음";
    no_route: "No route", "라우트 없음";
    wrong_method: "A method that the route does not take", "라우트가 받지 않는 메서드";
    over_limit: "Over a rate limit or a quota", "요청 한도 또는 할당량 초과";
    not_known: "It could not be found out", "확인할 수 없음";
    two_ways: "A request that could be read in two ways", "두 가지로 읽힐 수 있는 요청";
    backend_failed: "The backend failed", "백엔드 실패";
    backend_slow: "The backend took too long", "백엔드 시간 초과";
    no_endpoint: "No endpoint is available", "사용할 수 있는 엔드포인트 없음";
    no_room: "There was no room", "처리할 여유 없음";
    missing_role: "A role is missing", "역할 부족";
    missing_scope: "A scope is missing", "스코프 부족";
    condition_false: "The route's condition does not hold", "라우트의 조건이 맞지 않음";
    forbidden_by_policy: "A policy forbids it", "정책이 금지함";
    no_permit: "No policy permits it", "허용하는 정책이 없음";
    not_evaluated: "It could not be evaluated", "평가할 수 없음";
    point_denied: "A decision point said no", "결정 지점이 거부함";
    no_rule: "The route has no rule", "라우트에 규칙이 없음";
    faults: "Faults:", "오류:";
    line: "line", "줄";
    lines_with_faults: "Lines with faults", "오류가 있는 줄";
    cases: "Cases", "테스트 케이스";
    cases_hint: "As `haechi test` reads them. They are tried where there are any.", "`haechi test`와 같은 형식입니다. 입력하면 함께 시험합니다.";
    replay_hours: "Requests of the last hours that are decided again", "다시 판정할 최근 요청의 시간";
    rehearse: "Check, compare, prove, test and replay", "검사, 비교, 증명, 시험, 재현";
    configurations: "Configurations that were in force", "적용되었던 설정";
    authenticators: "Authenticators", "인증기";
    differences: "Whose access changes", "달라지는 접근";
    no_differences: "Nobody's access changes.", "달라지는 접근이 없습니다.";
    passes_now: "Somebody who would pass", "새로 허용되는 예";
    passed_before: "Somebody who would pass no more", "더는 허용되지 않는 예";
    notes: "Besides", "그 밖에";
    wider: "wider", "넓어짐";
    narrower: "narrower", "좁아짐";
    incomparable: "wider and narrower", "넓어지고 좁아짐";
    undecided: "not decided", "판정 불가";
    same_access: "the same", "같음";
    added_route: "new", "새 라우트";
    removed_route: "removed", "삭제됨";
    moved_route: "takes other requests", "다른 요청을 받음";
    properties: "Properties", "속성 증명";
    property: "Property", "속성 이름";
    no_properties: "The configuration names no `properties`.", "설정에 `properties`가 없습니다.";
    proved: "proved", "증명됨";
    does_not_hold: "does not hold", "성립하지 않음";
    not_decided: "could not be decided", "판정할 수 없음";
    counterexample: "Counterexample", "반례";
    case: "Case", "케이스";
    as_expected: "as expected", "예상대로";
    otherwise: "otherwise", "예상과 다름";
    expected: "Expected", "예상";
    got: "Came out", "결과값";
    replayed: "Recorded requests, decided again", "기록된 요청의 재판정";
    was: "Was", "이전 결과";
    would_be: "Would be", "새 결과";
    such_as: "Such as", "예";
    decided_again: "Decided again:", "다시 판정:";
    the_same: "the same:", "같음:";
    unreadable: "of people whose keys are gone:", "키가 없는 사람의 기록:";
    oldest_left_out: "there are more than were decided again", "다시 판정하지 않은 요청이 더 있습니다";
    no_replay_changes: "No request would come out otherwise.", "결과가 달라지는 요청이 없습니다.";
    in_force: "in force", "적용 중";
    as_candidate: "Take this as a candidate", "후보 설정으로 가져오기";
    has_stars: "Secrets are starred in this text: put them in again before it is applied.", "이 텍스트의 비밀은 별표로 가려져 있습니다. 적용하기 전에 다시 입력하세요.";
    caller: "Caller", "호출자";
    matrix_hint: "What callers may do who were given the role and no other. A cell leads to its proof, or to somebody who shows that it depends.", "그 역할만 받은 호출자가 할 수 있는 일입니다. 칸을 누르면 증명이나 반례를 볼 수 있습니다.";
    cell: "A cell of the matrix", "권한표의 칸";
    nobody_passes: "Nobody passes", "아무도 허용되지 않는다";
    everybody_passes: "Everybody passes", "모두 허용된다";
    passes: "Somebody who passes", "허용되는 예";
    does_not_pass: "Somebody who does not pass", "허용되지 않는 예";
    proved_how: "for every such caller and request (cvc5)", "해당하는 모든 호출자와 요청에 대해(cvc5)";
    review: "Review", "권한 점검";
    days_unused: "Unused for days", "미사용 일수";
    only_unused: "what nobody used", "미사용만";
    trail_from: "the trail begins", "감사 기록의 시작";
    trail_is_short: "The trail begins later than that: what was used before it is not known.", "감사 기록이 그보다 늦게 시작됩니다. 그 전의 사용 여부는 알 수 없습니다.";
    access: "Which roles may use which routes", "라우트를 쓸 수 있는 역할";
    accounts: "Who may call", "호출할 수 있는 계정";
    not_used: "not used", "미사용";
    all_is_used: "All of it was used.", "모두 사용되었습니다.";
    kind: "Kind", "종류";
    user_kind: "User", "사용자";
    client_kind: "Client", "클라이언트";
    smaller: "The change that takes unused roles away", "미사용 역할을 없애는 변경";
    by_hand: "(stands in another file, or gets its roles elsewhere: change it by hand)", "(다른 파일에 있거나 역할을 다른 곳에서 받으므로 직접 바꾸세요)";
    attribute: "Attribute (name=value)", "속성(이름=값)";
    connections: "connections", "연결";
    pending: "waiting", "대기";
    apply: "Apply", "적용";
    not_writable: "The gate may not write its file: put the text into its place yourself and reload, or add `write_config: true` to `admin`.", "게이트가 설정 파일을 쓸 수 없습니다. 직접 파일을 바꾸고 다시 읽게 하거나, `admin`에 `write_config: true`를 추가하세요.";
    link_is_used: "This link was used already, is too old, or is not of this machine. Log in here.", "이미 사용했거나 오래되었거나 이 컴퓨터의 링크가 아닙니다. 여기에서 로그인하세요.";
    not_before: "since", "시작 시각";
    time_zone: "Time zone", "시간대";
    zone_hint: "Times are told in this zone, with UTC beside them. A cookie keeps the choice.", "시각을 이 시간대로 보여 주고 UTC를 함께 표시합니다. 선택은 쿠키에 저장됩니다.";
    back: "Back", "돌아가기";
    export: "This page as", "이 페이지 내려받기";
    no_clients: "There are no clients. `haechi client add NAME` adds one.", "클라이언트가 없습니다. `haechi client add 이름`으로 추가할 수 있습니다.";
    no_sessions: "No session fits. One is here for each login that can be refreshed.", "해당하는 세션이 없습니다. 갱신할 수 있는 로그인마다 하나씩 표시됩니다.";
    no_policies: "There are no policies. Write one here, or name files in `authorization.policies`.", "정책이 없습니다. 여기서 작성하거나 `authorization.policies`에 파일을 지정하세요.";
    no_approvals: "Nothing waits. With `approvals: 2` changes of policies and erasures come here.", "대기 중인 변경이 없습니다. `approvals: 2`이면 정책 변경과 삭제가 여기에 표시됩니다.";
    no_records: "No record fits. The trail is written where `audit` is configured.", "해당하는 기록이 없습니다. `audit`를 설정하면 기록됩니다.";
}

/// How a reader is told things: in their language, and with times in their zone.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) words: &'static Words,
    pub(crate) zone: Zone,
}

impl Deref for Said {
    type Target = Words;

    fn deref(&self) -> &Words {
        self.words
    }
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
            "depends" => self.depends,
            "active" => self.active,
            "expired" => self.expired,
            "revoked" => self.revoked,
            other => other,
        }
    }

    /// A problem that clients were told of, in words; by its name where there are none.
    pub(crate) fn problem<'a>(&self, name: &'a str) -> &'a str
    where
        'static: 'a,
    {
        match name {
            "not-authenticated" => self.no_credential,
            "invalid-credentials" => self.bad_credential,
            "forbidden" => self.not_allowed,
            "no-route" => self.no_route,
            "method-not-allowed" => self.wrong_method,
            "rate-limited" => self.over_limit,
            "cannot-tell" => self.not_known,
            "ambiguous-request" => self.two_ways,
            "bad-gateway" => self.backend_failed,
            "gateway-timeout" => self.backend_slow,
            "no-endpoint" => self.no_endpoint,
            "overloaded" => self.no_room,
            other => other,
        }
    }

    /// A kind of account, in words.
    pub(crate) fn kind_of<'a>(&self, kind: &'a str) -> &'a str
    where
        'static: 'a,
    {
        match kind {
            "user" => self.user_kind,
            "client" => self.client_kind,
            "key" => self.key,
            other => other,
        }
    }

    /// How access differs, in words.
    pub(crate) fn difference<'a>(&self, told: &'a str) -> &'a str
    where
        'static: 'a,
    {
        match told {
            "wider" => self.wider,
            "narrower" => self.narrower,
            "incomparable" => self.incomparable,
            "undecided" => self.undecided,
            "same" => self.same_access,
            "added" => self.added_route,
            "removed" => self.removed_route,
            "moved" => self.moved_route,
            other => other,
        }
    }

    /// Why somebody was denied, in words.
    pub(crate) fn denial<'a>(&self, name: &'a str) -> &'a str
    where
        'static: 'a,
    {
        match name {
            "roles" => self.missing_role,
            "scopes" => self.missing_scope,
            "condition" => self.condition_false,
            "forbidden" => self.forbidden_by_policy,
            "no_permit" => self.no_permit,
            "error" => self.not_evaluated,
            "decision_point" => self.point_denied,
            "no_rule" => self.no_rule,
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
