//! What people read in Korean.

use http::StatusCode;

/// A text of ours; `None` for what has no translation.
pub(super) fn text(english: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| *known == english).map(|(_, korean)| *korean)
}

/// What a status means.
pub(super) const fn reason(status: StatusCode) -> Option<&'static str> {
    Some(match status.as_u16() {
        400 => "잘못된 요청",
        401 => "인증 필요",
        403 => "허용되지 않음",
        404 => "찾을 수 없음",
        405 => "허용되지 않는 메서드",
        408 => "요청 시간 초과",
        409 => "지금 상태와 맞지 않음",
        413 => "본문이 너무 큼",
        414 => "주소가 너무 긺",
        422 => "받아들일 수 없는 값",
        417 => "기대를 충족할 수 없음",
        421 => "다른 호스트의 연결",
        426 => "업그레이드 필요",
        429 => "너무 많은 요청",
        431 => "헤더가 너무 큼",
        500 => "내부 오류",
        502 => "잘못된 게이트웨이 응답",
        503 => "일시적으로 사용할 수 없음",
        504 => "게이트웨이 시간 초과",
        _ => return None,
    })
}

/// English, and Korean.
const TEXTS: &[(&str, &str)] = &[
    ("the request is ambiguous and was not forwarded", "요청을 두 가지로 읽을 수 있어 전달하지 않았습니다"),
    (
        "the body is a form, and this call takes JSON (`content-type: application/json`)",
        "본문이 폼 형식입니다. 이 호출은 JSON(`content-type: application/json`)을 받습니다",
    ),
    ("the body is not what this call takes", "본문이 이 호출의 형식과 다릅니다"),
    ("the request for a token is refused", "토큰 요청이 거부되었습니다"),
    ("the client did not prove who it is", "클라이언트가 누구인지 증명하지 못했습니다"),
    (
        "more than one credential, or a credential where none may stand",
        "인증 정보가 둘 이상이거나, 있을 수 없는 자리에 있습니다",
    ),
    ("nothing is served at this address", "이 주소에는 아무것도 없습니다"),
    ("this address does not take this method", "이 주소는 이 메서드를 받지 않습니다"),
    ("credentials are needed", "인증 정보가 필요합니다"),
    ("log in first", "먼저 로그인하십시오"),
    (
        "log in first, then send this again: it was not kept",
        "먼저 로그인한 뒤 다시 보내십시오. 보내신 내용은 보관되지 않았습니다",
    ),
    ("the login was refused, or given up", "로그인이 거부되었거나 취소되었습니다"),
    (
        "this page needs a newer or stronger login than the login provider has made; it was asked for one",
        "이 페이지에는 더 최근이거나 더 강한 로그인이 필요합니다. 로그인 제공자에 요청했지만 그렇게 로그인되지 않았습니다",
    ),
    ("a newer or stronger login is needed", "더 최근이거나 더 강한 로그인이 필요합니다"),
    ("a code of the second factor is needed", "2단계 인증 코드가 필요합니다"),
    ("the password must be changed first", "먼저 비밀번호를 바꾸어야 합니다"),
    (
        "a password has at least 15 characters, or 8 where a second factor is asked for beside it",
        "비밀번호는 15자 이상, 2단계 인증을 함께 쓰면 8자 이상이어야 합니다",
    ),
    ("a password has at most 128 characters", "비밀번호는 128자를 넘을 수 없습니다"),
    ("a password has no control characters", "비밀번호에 제어 문자를 쓸 수 없습니다"),
    ("this password is a common one", "흔히 쓰이는 비밀번호입니다"),
    ("this password is a pattern", "반복되거나 순서대로 이어지는 비밀번호입니다"),
    ("this password is little more than the user's name", "사용자 이름과 거의 같은 비밀번호입니다"),
    ("this password is the one from before", "이전과 같은 비밀번호입니다"),
    ("there is no second factor", "2단계 인증이 설정되어 있지 않습니다"),
    (
        "the password is too short to go without a second factor; choose a longer one first",
        "2단계 인증 없이 쓰기에는 비밀번호가 짧습니다. 먼저 더 긴 비밀번호로 바꾸십시오",
    ),
    ("the login provider's answer cannot be trusted", "로그인 제공자의 응답을 신뢰할 수 없습니다"),
    ("this address is served over https", "이 주소는 https로 제공됩니다"),
    ("the authorization service refuses this request", "인가 서비스가 이 요청을 거부했습니다"),
    ("the credentials are not valid", "인증 정보가 올바르지 않습니다"),
    ("this caller may not do this", "이 작업을 할 권한이 없습니다"),
    ("too many requests; try again later", "요청이 너무 많습니다. 잠시 뒤 다시 시도하십시오"),
    ("this cannot be decided at the moment; try again", "지금은 판단할 수 없습니다. 다시 시도하십시오"),
    (
        "this connection was opened for another host; open one for this host",
        "이 연결은 다른 호스트를 위해 열렸습니다. 이 호스트로 새로 연결하십시오",
    ),
    (
        "the client certificate of this connection is not accepted; open another one",
        "이 연결의 클라이언트 인증서를 받아들일 수 없습니다. 새로 연결하십시오",
    ),
    ("the target is over 8 KiB", "주소가 8 KiB를 넘습니다"),
    ("the header fields are over the limit", "헤더가 한도를 넘습니다"),
    ("the body is over the limit", "본문이 한도를 넘습니다"),
    ("the request took too long to arrive", "요청이 도착하는 데 너무 오래 걸렸습니다"),
    ("only `100-continue` can be expected", "`100-continue`만 기대할 수 있습니다"),
    ("only WebSocket version 13 is spoken here", "WebSocket 버전 13만 지원합니다"),
    ("the service behind this address failed", "이 주소의 서비스가 실패했습니다"),
    ("the service behind this address did not answer in time", "이 주소의 서비스가 제때 응답하지 않았습니다"),
    ("no instance of the service is available", "서비스를 제공할 서버가 없습니다"),
    ("the gateway is overloaded; try again later", "게이트웨이에 부하가 많습니다. 잠시 뒤 다시 시도하십시오"),
    ("the gate failed on this request", "이 요청을 처리하다 게이트웨이에 오류가 났습니다"),
    ("a login needs https", "로그인에는 https가 필요합니다"),
    ("`return_to` is a path of this site", "`return_to`는 이 사이트의 경로여야 합니다"),
    ("a login begins with a page that somebody opens", "로그인은 사람이 연 페이지에서 시작합니다"),
    (
        "logging in does not help: this browser does not keep the cookie of its session; allow cookies for this site, then try again",
        "로그인해도 소용이 없습니다. 이 브라우저가 세션 쿠키를 보관하지 않습니다. 이 사이트의 쿠키를 허용한 뒤 다시 시도하십시오",
    ),
    (
        "this login is not known here: it took too long, began in another browser, or its cookie was not kept",
        "알 수 없는 로그인입니다. 너무 오래 걸렸거나, 다른 브라우저에서 시작했거나, 쿠키가 보관되지 않았습니다",
    ),
    ("the login provider's answer cannot be read", "로그인 제공자의 응답을 읽을 수 없습니다"),
    (
        "the address cannot be read, or says something twice",
        "주소를 읽을 수 없거나 같은 항목이 두 번 있습니다",
    ),
    (
        "the provider's answer cannot be read, or says something twice",
        "제공자의 응답을 읽을 수 없거나 같은 항목이 두 번 있습니다",
    ),
    (
        "the provider answers in another way than it was asked to",
        "제공자가 요청한 것과 다른 방식으로 응답합니다",
    ),
    ("the logout token is not accepted", "로그아웃 토큰을 받아들이지 않습니다"),
    ("`acr_values` or `max_age` cannot be read", "`acr_values` 또는 `max_age`를 읽을 수 없습니다"),
    ("a logout begins with a page that somebody opens", "로그아웃은 사람이 연 페이지에서 시작합니다"),
    ("Log in", "로그인"),
    ("Log out?", "로그아웃하시겠습니까?"),
    ("Logged out", "로그아웃했습니다"),
    ("Another site has led you here.", "다른 사이트에서 이 페이지로 왔습니다."),
    ("Log out of this site", "이 사이트에서 로그아웃"),
    ("You have logged out of this site.", "이 사이트에서 로그아웃했습니다."),
    ("request", "요청"),
];
