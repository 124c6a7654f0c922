//! Several authenticators for one route: any of them, or all.

use crate::effects::{is_navigation, is_submission};
use crate::{
    Attempt, BodyRule, Challenge, ChallengeError, CredentialMatch, CredentialPlace, Effects, Fault,
    LoginRedirect, Look, Scheme, StepUp,
};
use haechi_core::caller::LoginFacts;
use haechi_core::{Caller, CallerKind, RequestHead, Timestamp};
use std::rc::Rc;
use std::sync::Arc;

/// The authenticators of a route, as one worker asks them. Never empty: openness is written by name.
pub struct Chain {
    schemes: Vec<Rc<dyn Scheme>>,
    /// Those of all schemes.
    places: Vec<CredentialPlace>,
    rule: Rule,
    /// What the login behind a credential must satisfy.
    step_up: Arc<StepUp>,
}

enum Rule {
    Any,
    All,
}

/// A chain of no authenticators, which would let everybody or nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chain needs at least one authenticator; openness is written as `anonymous`")]
pub struct EmptyChain;

/// What a chain came to.
pub struct Outcome {
    /// The attempt that decides.
    pub attempt: Attempt,
    /// Whose credential was verified.
    pub verified: Verified,
    /// What those who verified it add to the answer.
    pub effects: Effects,
    /// Where to log in, for a browser that showed no credential, or one of a login that has ended.
    pub login: Option<LoginRedirect>,
    /// Whether the browser can be sent there at once: what it sends would be lost.
    pub login_at_once: bool,
    /// The name of the authenticator whose attempt it is, where that is not a caller.
    pub refused_by: Option<Arc<str>>,
    /// What invites to each way in, with the error of each whose token does not hold. Empty unless the attempt is a rejection, or the login does not do.
    pub challenges: Vec<ChallengeTold>,
    /// Why the login behind a credential that was verified does not do: whoever it is has to log in in another way, or once more.
    pub insufficient: Option<String>,
}

/// A challenge, and the error that it carries.
pub type ChallengeTold = (Arc<Challenge>, Option<ChallengeError>);

/// Which schemes of a chain have verified their credential (see [`Chain::places_of`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verified {
    /// None.
    #[default]
    None,
    /// The one with this index.
    One(usize),
    /// All of them.
    All,
}

impl Chain {
    /// Any one of the schemes is enough; they are asked in order and the first that verifies is the caller. A scheme that verifies
    /// everybody (`anonymous`, `passthrough`) counts only where no credential was shown to the others, wherever in the order it stands: a bad
    /// token does not become no token, and neither does one that could not be checked.
    ///
    /// # Errors
    /// [`EmptyChain`] without a scheme.
    pub fn any(schemes: Vec<Rc<dyn Scheme>>) -> Result<Self, EmptyChain> {
        Self::new(schemes, Rule::Any)
    }

    /// All of the schemes must verify. The caller is the one that the first scheme names, with its roles only: adding a scheme
    /// adds a requirement, never a right. The credential's end is the earliest of all.
    ///
    /// # Errors
    /// [`EmptyChain`] without a scheme.
    pub fn all(schemes: Vec<Rc<dyn Scheme>>) -> Result<Self, EmptyChain> {
        Self::new(schemes, Rule::All)
    }

    fn new(schemes: Vec<Rc<dyn Scheme>>, rule: Rule) -> Result<Self, EmptyChain> {
        if schemes.is_empty() {
            return Err(EmptyChain);
        }
        let places = schemes.iter().flat_map(|scheme| scheme.credential_places()).cloned().collect();
        Ok(Self { schemes, places, rule, step_up: Arc::default() })
    }

    /// The same for a route that asks for more than any login.
    #[must_use]
    pub fn asking(self, step_up: Arc<StepUp>) -> Self {
        Self { step_up, ..self }
    }

    /// The schemes in order.
    pub fn schemes(&self) -> &[Rc<dyn Scheme>] {
        &self.schemes
    }

    /// What invites to each way in, each once.
    pub fn challenges(&self) -> Vec<Arc<Challenge>> {
        let mut list: Vec<Arc<Challenge>> = Vec::with_capacity(self.schemes.len());
        for challenge in self.schemes.iter().filter_map(|scheme| scheme.challenge()) {
            if !list.contains(challenge) {
                list.push(challenge.clone());
            }
        }
        list
    }

    /// The same, of which those tell an error whose scheme has this index.
    fn challenges_after(&self, bad_tokens: &[(usize, ChallengeError)]) -> Vec<ChallengeTold> {
        let mut list: Vec<ChallengeTold> = Vec::with_capacity(self.schemes.len());
        for (index, scheme) in self.schemes.iter().enumerate() {
            let error = bad_tokens.iter().find(|(bad, _)| *bad == index).map(|(_, error)| error.clone());
            let of_proof = match error {
                Some(ChallengeError::InvalidDpopProof) => scheme.proof_challenge(),
                _ => None,
            };
            let Some(challenge) = of_proof.or(scheme.challenge()) else { continue };
            match list.iter_mut().find(|(known, _)| known == challenge) {
                Some((_, told)) => *told = told.take().or(error),
                None => list.push((challenge.clone(), error)),
            }
        }
        list
    }

    /// Where any of the schemes looks for a credential.
    pub fn places(&self) -> &[CredentialPlace] {
        &self.places
    }

    /// Where those that were verified stand.
    pub fn places_of(&self, verified: Verified) -> &[CredentialPlace] {
        match verified {
            Verified::None => &[],
            Verified::One(index) => self.schemes.get(index).map_or(&[], |scheme| scheme.credential_places()),
            Verified::All => &self.places,
        }
    }

    /// Whether a credential that was verified is one that browsers add by themselves.
    pub fn comes_from_cookie(&self, verified: Verified, head: &RequestHead) -> bool {
        match verified {
            Verified::None => false,
            Verified::One(index) => {
                self.schemes.get(index).is_some_and(|scheme| scheme.comes_from_cookie(head))
            }
            Verified::All => self.schemes.iter().any(|scheme| scheme.comes_from_cookie(head)),
        }
    }

    /// What of the request's body the credentials that were verified speak for: of several, the strictest.
    pub fn body(&self, verified: Verified, head: &RequestHead) -> BodyRule {
        let stricter = |one: BodyRule, other: BodyRule| match (one, other) {
            (BodyRule::None, _) | (_, BodyRule::None) => BodyRule::None,
            (BodyRule::Digest { most: one }, BodyRule::Digest { most: other }) => {
                BodyRule::Digest { most: one.min(other) }
            }
            (digest @ BodyRule::Digest { .. }, BodyRule::Any) | (BodyRule::Any, digest) => digest,
        };
        match verified {
            Verified::None => BodyRule::Any,
            Verified::One(index) => {
                self.schemes.get(index).map_or(BodyRule::None, |scheme| scheme.body(head))
            }
            Verified::All => {
                self.schemes.iter().map(|scheme| scheme.body(head)).fold(BodyRule::Any, stricter)
            }
        }
    }

    /// The token that `caller` was verified by: the one of a login that its issuer gave, or the one that the request shows. Where all schemes had to verify,
    /// the first of them that has one.
    pub fn token<'h>(
        &self,
        verified: Verified,
        head: &'h RequestHead,
        caller: &'h Caller,
    ) -> Option<&'h str> {
        if let Some(of_login) = &caller.access_token {
            return Some(of_login.expose());
        }
        let shown = match verified {
            Verified::None => None,
            Verified::One(index) => self.schemes.get(index).and_then(|scheme| scheme.token(head)),
            Verified::All => self.schemes.iter().find_map(|scheme| scheme.token(head)),
        };
        std::str::from_utf8(shown?).ok()
    }

    /// Asks the schemes. `observe` sees each attempt, for metrics and explanations.
    pub async fn authenticate(
        &self,
        head: &RequestHead,
        now: Timestamp,
        mut observe: impl FnMut(&dyn Scheme, &Attempt),
    ) -> Outcome {
        let (mut outcome, missing) = match self.rule {
            Rule::Any => (self.first_verified(head, now, &mut observe).await, None),
            Rule::All => self.all_verified(head, now, &mut observe).await,
        };
        let insufficient = match &outcome.attempt {
            Attempt::Verified(caller) if !self.step_up.is_satisfied_by(&caller.login, now) => {
                Some(self.step_up.why_not(&caller.login, now))
            }
            _ => None,
        };
        if insufficient.is_some() {
            let told = self.challenges().into_iter();
            outcome.challenges = told.map(|challenge| (challenge, Some(self.step_up.error()))).collect();
            outcome.insufficient = insufficient;
        }
        let navigation = is_navigation(head);
        if navigation || is_submission(head) {
            outcome.login = self.login(head, &outcome, missing);
            outcome.login_at_once = navigation;
        }
        outcome
    }

    /// Where the schemes of which one is to be asked anew let people log in. Where all must verify, that is the one that did not (`missing`): a login at another would not help, and lead here again.
    fn login(&self, head: &RequestHead, outcome: &Outcome, missing: Option<usize>) -> Option<LoginRedirect> {
        let again = |scheme: &Rc<dyn Scheme>| match &outcome.attempt {
            Attempt::Absent => true,
            Attempt::Rejected(rejection) => {
                rejection.fault != Fault::InvalidRequest
                    && outcome.refused_by.as_ref() == Some(scheme.name())
                    && scheme.logs_in_again()
            }
            Attempt::Verified(_) => outcome.insufficient.is_some(),
            Attempt::Unavailable(_) => false,
        };
        let all = self.schemes.iter().enumerate();
        let all =
            all.filter(|(index, scheme)| missing.is_none_or(|missing| missing == *index) && again(scheme));
        LoginRedirect::of_all(all.filter_map(|(_, scheme)| scheme.login(head, &self.step_up)).collect())
    }

    async fn first_verified(
        &self,
        head: &RequestHead,
        now: Timestamp,
        observe: &mut impl FnMut(&dyn Scheme, &Attempt),
    ) -> Outcome {
        let mut worst = WorstAttempt::default();
        let mut open = None;
        for (index, scheme) in self.schemes.iter().enumerate() {
            let attempt = ask(&**scheme, head, now).await;
            observe(&**scheme, &attempt);
            if let Attempt::Verified(caller) = &attempt {
                let is_open = caller.kind == CallerKind::Anonymous;
                let effects = scheme.effects(head, caller);
                let verified = Outcome::verified(attempt, Verified::One(index), effects);
                if !is_open {
                    return verified;
                }
                open.get_or_insert(verified);
                continue;
            }
            worst.add(index, attempt);
            if worst.is_final() {
                break;
            }
        }
        match open {
            Some(open) if matches!(worst.attempt, Attempt::Absent) => open,
            _ => self.refused(worst),
        }
    }

    async fn all_verified(
        &self,
        head: &RequestHead,
        now: Timestamp,
        observe: &mut impl FnMut(&dyn Scheme, &Attempt),
    ) -> (Outcome, Option<usize>) {
        let mut caller: Option<Arc<Caller>> = None;
        let mut effects = Effects::default();
        for (index, scheme) in self.schemes.iter().enumerate() {
            let attempt = ask(&**scheme, head, now).await;
            observe(&**scheme, &attempt);
            let Attempt::Verified(found) = attempt else {
                let mut worst = WorstAttempt::default();
                worst.add(index, attempt);
                return (self.refused(worst), Some(index));
            };
            effects.extend(scheme.effects(head, &found));
            caller = Some(match caller {
                None => found,
                Some(first) => joined(first, &found),
            });
        }
        let outcome = match caller {
            Some(caller) => Outcome::verified(Attempt::Verified(caller), Verified::All, effects),
            None => self.refused(WorstAttempt::default()),
        };
        (outcome, None)
    }

    fn refused(&self, worst: WorstAttempt) -> Outcome {
        let WorstAttempt { attempt, of, bad_tokens } = worst;
        let challenges = match attempt {
            Attempt::Rejected(_) => self.challenges_after(&bad_tokens),
            _ => Vec::new(),
        };
        let by = of.and_then(|index| self.schemes.get(index)).map(|scheme| scheme.name().clone());
        Outcome {
            refused_by: by,
            challenges,
            ..Outcome::verified(attempt, Verified::None, Effects::default())
        }
    }
}

impl Outcome {
    const fn verified(attempt: Attempt, verified: Verified, effects: Effects) -> Self {
        Self {
            attempt,
            verified,
            effects,
            login: None,
            login_at_once: false,
            refused_by: None,
            challenges: Vec::new(),
            insufficient: None,
        }
    }
}

/// Of the attempts that verified nobody, the one that decides.
struct WorstAttempt {
    attempt: Attempt,
    /// Of which scheme it is.
    of: Option<usize>,
    /// Those of all schemes that were shown a token which does not hold, and what is wrong with it.
    bad_tokens: Vec<(usize, ChallengeError)>,
}

impl Default for WorstAttempt {
    fn default() -> Self {
        Self { attempt: Attempt::Absent, of: None, bad_tokens: Vec::new() }
    }
}

impl WorstAttempt {
    fn add(&mut self, index: usize, attempt: Attempt) {
        if let Attempt::Rejected(rejection) = &attempt {
            match rejection.fault {
                Fault::InvalidToken => self.bad_tokens.push((index, ChallengeError::InvalidToken)),
                Fault::InvalidProof => self.bad_tokens.push((index, ChallengeError::InvalidDpopProof)),
                Fault::InvalidRequest | Fault::InvalidCredentials | Fault::Forbidden => {}
            }
        }
        if weight(&attempt) > weight(&self.attempt) {
            self.attempt = attempt;
            self.of = Some(index);
        }
    }

    /// What could be read as two credentials is not tried on the next scheme.
    fn is_final(&self) -> bool {
        matches!(&self.attempt, Attempt::Rejected(rejection) if rejection.fault == Fault::InvalidRequest)
    }
}

async fn ask(scheme: &dyn Scheme, head: &RequestHead, now: Timestamp) -> Attempt {
    match scheme.look(head, now) {
        Look::Done(attempt) => attempt,
        Look::Wait(answer) => answer.await,
    }
}

/// A request that could be read in two ways outweighs everything. Could-not-find-out outweighs a refusal: one of the authenticators that was
/// not heard might have known the caller. Of refusals, the one counts that the credential was meant for.
fn weight(attempt: &Attempt) -> (u8, CredentialMatch) {
    match attempt {
        Attempt::Absent | Attempt::Verified(_) => (0, CredentialMatch::Other),
        Attempt::Rejected(rejection) if rejection.fault == Fault::InvalidRequest => {
            (3, CredentialMatch::Other)
        }
        Attempt::Rejected(rejection) => (1, rejection.matched),
        Attempt::Unavailable(_) => (2, CredentialMatch::Other),
    }
}

/// The first, no longer than the other holds, with what the other knows of a login where the first knows nothing.
fn joined(first: Arc<Caller>, other: &Caller) -> Arc<Caller> {
    let first = ending_no_later(first, other);
    if first.login != LoginFacts::default() || other.login == LoginFacts::default() {
        return first;
    }
    Arc::new(Caller { login: other.login.clone(), ..(*first).clone() })
}

fn ending_no_later(first: Arc<Caller>, other: &Caller) -> Arc<Caller> {
    match (first.expires_at, other.expires_at) {
        (Some(mine), Some(theirs)) if mine <= theirs => first,
        (_, None) => first,
        (_, theirs) => Arc::new(Caller { expires_at: theirs, ..(*first).clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Chain, EmptyChain, Outcome, Verified};
    use crate::test_support::{head, refusal, verified};
    use crate::{
        Attempt, Challenge, ChallengeError, CredentialMatch, CredentialPlace, Effects, Fault, LoginRedirect,
        Look, Scheme, SetCookie, StepUp,
    };
    use haechi_core::{Caller, CallerKind, RequestHead, Role, Timestamp};
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;

    struct Fixed {
        name: Arc<str>,
        places: [CredentialPlace; 2],
        challenge: Option<Arc<Challenge>>,
        attempt: Attempt,
        asked: Cell<u32>,
        later: bool,
    }

    impl Scheme for Fixed {
        fn name(&self) -> &Arc<str> {
            &self.name
        }

        fn challenge(&self) -> Option<&Arc<Challenge>> {
            self.challenge.as_ref()
        }

        fn credential_places(&self) -> &[CredentialPlace] {
            &self.places
        }

        fn look(&self, _: &RequestHead, _: Timestamp) -> Look {
            self.asked.set(self.asked.get() + 1);
            let attempt = self.attempt.clone();
            if self.later { Look::Wait(Box::pin(async move { attempt })) } else { Look::Done(attempt) }
        }

        fn effects(&self, _: &RequestHead, _: &Caller) -> Effects {
            Effects::default().with_cookie(SetCookie::new(&self.name, "1").unwrap())
        }

        fn login(&self, _: &RequestHead, _: &StepUp) -> Option<LoginRedirect> {
            LoginRedirect::new(&format!("/login/{}", self.name)).ok()
        }
    }

    fn fixed(name: &str, attempt: Attempt) -> Rc<Fixed> {
        let (asked, later) = (Cell::new(0), name.starts_with("later"));
        let challenge = (name != "open").then(|| Arc::new(Challenge::bearer("r")));
        Rc::new(Fixed { name: name.into(), places: places(name), challenge, attempt, asked, later })
    }

    fn user(subject: &str, roles: &[&str], expires_at: Option<i64>) -> Attempt {
        Attempt::Verified(Arc::new(Caller {
            kind: CallerKind::User,
            subject: subject.into(),
            roles: roles.iter().copied().map(Role::from).collect(),
            expires_at: expires_at.map(Timestamp::from_seconds),
            ..Caller::anonymous("x")
        }))
    }

    fn nobody() -> Attempt {
        Attempt::Verified(Arc::new(Caller::anonymous("anonymous")))
    }

    fn schemes(of: &[&Rc<Fixed>]) -> Vec<Rc<dyn Scheme>> {
        of.iter().map(|scheme| Rc::clone(scheme) as Rc<dyn Scheme>).collect()
    }

    async fn any(of: &[&Rc<Fixed>]) -> Outcome {
        Chain::any(schemes(of)).unwrap().authenticate(&head(&[], None), Timestamp::MAX, |_, _| {}).await
    }

    async fn all(of: &[&Rc<Fixed>]) -> Outcome {
        Chain::all(schemes(of)).unwrap().authenticate(&head(&[], None), Timestamp::MAX, |_, _| {}).await
    }

    /// A scheme may look in several places.
    fn places(name: &str) -> [CredentialPlace; 2] {
        [CredentialPlace::Field(name.into()), CredentialPlace::Cookie(name.into())]
    }

    #[test]
    fn no_scheme_is_an_error() {
        assert_eq!(Chain::any(vec![]).err(), Some(EmptyChain));
        assert_eq!(Chain::all(vec![]).err(), Some(EmptyChain));
    }

    #[tokio::test]
    async fn any_takes_the_first_that_verifies_and_asks_no_further() {
        let bad = fixed("later-bad", Attempt::invalid_token("bad"));
        let down = fixed("down", Attempt::unavailable("down"));
        let (anna, bert) =
            (fixed("later-anna", user("anna", &[], None)), fixed("bert", user("bert", &[], None)));
        let outcome = any(&[&bad, &down, &anna, &bert]).await;
        assert_eq!(outcome.verified, Verified::One(2));
        assert_eq!(&*verified(outcome.attempt).subject, "anna");
        assert_eq!((bad.asked.get(), down.asked.get(), bert.asked.get()), (1, 1, 0));
    }

    #[tokio::test]
    async fn could_not_find_out_outweighs_a_refusal_and_a_refusal_outweighs_nothing() {
        let absent = fixed("absent", Attempt::Absent);
        let (bad, worse) = (
            fixed("bad", Attempt::invalid_token("bad")),
            fixed("worse", Attempt::invalid_credentials("worse")),
        );
        let down = fixed("down", Attempt::unavailable("down"));
        assert!(matches!(any(&[&absent, &absent]).await.attempt, Attempt::Absent));
        assert_eq!(refusal(any(&[&absent, &bad, &worse, &absent]).await.attempt).1, "bad");
        for order in [[&bad, &down], [&down, &bad]] {
            let outcome = any(&order).await;
            assert!(matches!(outcome.attempt, Attempt::Unavailable(_)));
            assert_eq!(outcome.verified, Verified::None);
        }
    }

    /// A token that another authenticator than `corp` may know better.
    fn bad(name: &str, matched: CredentialMatch) -> Rc<Fixed> {
        let mut scheme = fixed(name, Attempt::invalid_token(name.to_owned()).matched(matched));
        Rc::get_mut(&mut scheme).unwrap().challenge = Some(Arc::new(Challenge::bearer(name)));
        scheme
    }

    #[tokio::test]
    async fn the_refusal_is_of_the_one_that_the_credential_was_for() {
        use CredentialMatch::{Addressed, Named, Other, Signed, Unknown};
        let told = async |of: &[&Rc<Fixed>]| {
            let outcome = any(of).await;
            let (by, reason) = (outcome.refused_by.clone(), refusal(outcome.attempt).1);
            assert_eq!(by.as_deref(), Some(&*reason), "reason and name are of one");
            reason
        };
        let surest_last = [Other, Unknown, Named, Signed, Addressed];
        for pair in surest_last.windows(2) {
            let (less, more) = (bad("less", pair[0]), bad("more", pair[1]));
            assert_eq!(told(&[&less, &more]).await, "more", "{pair:?}");
            assert_eq!(told(&[&more, &less]).await, "more", "{pair:?}");
        }
        let (first, second) = (bad("first", Other), bad("second", Other));
        assert_eq!(told(&[&first, &second]).await, "first");
        let down = fixed("down", Attempt::unavailable("down"));
        assert_eq!(any(&[&second, &down]).await.refused_by.as_deref(), Some("down"));
        let all = all(&[&fixed("anna", user("anna", &[], None)), &second, &first]).await;
        assert_eq!(all.refused_by.as_deref(), Some("second"));
        let absent = fixed("absent", Attempt::Absent);
        assert_eq!(any(&[&absent]).await.refused_by, None);
        assert_eq!(any(&[&second, &fixed("anna", user("anna", &[], None))]).await.refused_by, None);
    }

    #[tokio::test]
    async fn each_challenge_has_the_error_of_its_own_scheme() {
        let invalid = Some(ChallengeError::InvalidToken);
        let (corp, partner) = (bad("corp", CredentialMatch::Other), bad("partner", CredentialMatch::Named));
        let absent = bad("absent", CredentialMatch::Other);
        let absent = Rc::new(Fixed { attempt: Attempt::Absent, ..Rc::into_inner(absent).unwrap() });
        let password = fixed("password", Attempt::invalid_credentials("wrong password"));
        let errors = |outcome: Outcome| {
            outcome.challenges.into_iter().map(|(challenge, error)| (challenge.to_string(), error)).collect()
        };
        let realm = |name: &str, error: &Option<_>| (format!("Bearer realm=\"{name}\""), error.clone());
        let all: Vec<_> = errors(any(&[&password, &absent, &corp, &partner]).await);
        let expected = [("r", &None), ("absent", &None), ("corp", &invalid), ("partner", &invalid)];
        assert_eq!(all, expected.map(|(name, error)| realm(name, error)));
        let down = fixed("down", Attempt::unavailable("down"));
        assert!(any(&[&corp, &down]).await.challenges.is_empty(), "a 503 invites nobody");
        let same: Vec<_> =
            errors(any(&[&fixed("a", Attempt::Absent), &fixed("b", Attempt::invalid_token("b"))]).await);
        assert_eq!(same, [realm("r", &invalid)], "one challenge for two ways in that look the same");
    }

    #[tokio::test]
    async fn an_ambiguous_request_stops_the_chain() {
        let twice = fixed("twice", Attempt::invalid_request("twice"));
        let anna = fixed("anna", user("anna", &[], None));
        assert_eq!(refusal(any(&[&twice, &anna]).await.attempt).0, Fault::InvalidRequest);
        assert_eq!(anna.asked.get(), 0);
    }

    #[tokio::test]
    async fn openness_heals_no_bad_credential_wherever_it_stands() {
        let open = fixed("open", nobody());
        let absent = fixed("absent", Attempt::Absent);
        for order in [[&open, &absent], [&absent, &open]] {
            assert_eq!(verified(any(&order).await.attempt).kind, CallerKind::Anonymous);
        }
        let bad = fixed("bad", Attempt::invalid_token("bad"));
        let down = fixed("down", Attempt::unavailable("down"));
        let anna = fixed("anna", user("anna", &[], None));
        for order in [[&open, &bad], [&bad, &open]] {
            assert_eq!(refusal(any(&order).await.attempt).1, "bad");
        }
        for order in [[&open, &down], [&down, &open]] {
            assert!(matches!(any(&order).await.attempt, Attempt::Unavailable(_)));
        }
        assert_eq!(
            &*verified(any(&[&open, &anna]).await.attempt).subject,
            "anna",
            "who says who they are is heard"
        );
    }

    #[tokio::test]
    async fn all_takes_the_first_ones_name_and_roles_and_the_earliest_end() {
        let anna = fixed("anna", user("anna", &["USER"], Some(20)));
        let bert = fixed("later-bert", user("bert", &["ADMIN"], Some(10)));
        let carl = fixed("carl", user("carl", &["ROOT"], None));
        for (order, expires) in [
            ([&anna, &bert, &carl], Some(10)),
            ([&carl, &anna, &carl], Some(20)),
            ([&carl, &carl, &carl], None),
        ] {
            let outcome = all(&order).await;
            assert_eq!(outcome.verified, Verified::All);
            let (first, caller) = (verified(order[0].attempt.clone()), verified(outcome.attempt));
            assert_eq!((&caller.subject, &caller.roles), (&first.subject, &first.roles));
            assert_eq!(caller.expires_at, expires.map(Timestamp::from_seconds));
        }
    }

    #[tokio::test]
    async fn all_needs_every_one() {
        let anna = fixed("anna", user("anna", &[], None));
        for missing in [Attempt::Absent, Attempt::invalid_token("bad"), Attempt::unavailable("down")] {
            let missing = fixed("missing", missing);
            for order in [[&anna, &missing], [&missing, &anna]] {
                let outcome = all(&order).await;
                assert_eq!(
                    std::mem::discriminant(&outcome.attempt),
                    std::mem::discriminant(&missing.attempt)
                );
                assert_eq!(outcome.verified, Verified::None);
            }
        }
    }

    #[tokio::test]
    async fn effects_are_those_of_the_schemes_that_verified() {
        let set = |outcome: Outcome| {
            let cookies = outcome.effects.cookies().iter().map(SetCookie::field_value);
            cookies.map(|cookie| cookie.split('=').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let (bad, open) = (fixed("bad", Attempt::invalid_token("bad")), fixed("open", nobody()));
        let (anna, bert) = (fixed("anna", user("anna", &[], None)), fixed("bert", user("bert", &[], None)));
        assert_eq!(set(any(&[&open, &bad, &anna, &bert]).await), ["anna"]);
        assert_eq!(set(all(&[&anna, &bert]).await), ["anna", "bert"]);
        assert!(set(any(&[&open, &bad]).await).is_empty());
        assert!(set(all(&[&anna, &bad]).await).is_empty(), "of a refusal nothing is kept");
    }

    #[tokio::test]
    async fn only_a_browser_without_a_credential_is_sent_to_a_login() {
        let page = head(&[("accept", "text/html")], None);
        let (absent, other) = (fixed("absent", Attempt::Absent), fixed("other", Attempt::Absent));
        let (bad, anna) =
            (fixed("bad", Attempt::invalid_token("bad")), fixed("anna", user("anna", &[], None)));
        let down = fixed("down", Attempt::unavailable("down"));
        for (of, head, login) in [
            (vec![&absent, &other], &page, Some("/login/absent")),
            (vec![&absent], &head(&[], None), None),
            (vec![&absent, &bad], &page, None),
            (vec![&absent, &down], &page, None),
            (vec![&absent, &anna], &page, None),
        ] {
            let chain = Chain::any(schemes(&of)).unwrap();
            let outcome = chain.authenticate(head, Timestamp::MAX, |_, _| {}).await;
            assert_eq!(outcome.login.as_ref().map(LoginRedirect::location), login);
        }
    }

    #[tokio::test]
    async fn where_all_are_needed_the_login_is_at_the_one_that_is_missing() {
        let page = head(&[("accept", "text/html")], None);
        let (absent, other) = (fixed("absent", Attempt::Absent), fixed("other", Attempt::Absent));
        let anna = fixed("anna", user("anna", &[], None));
        for (of, login) in [(vec![&anna, &absent], "/login/absent"), (vec![&other, &absent], "/login/other")]
        {
            let chain = Chain::all(schemes(&of)).unwrap();
            let outcome = chain.authenticate(&page, Timestamp::MAX, |_, _| {}).await;
            assert_eq!(outcome.login.as_ref().map(LoginRedirect::location), Some(login));
        }
    }

    #[test]
    fn places_are_those_of_the_schemes_that_verified() {
        let (anna, bert) = (fixed("anna", user("anna", &[], None)), fixed("bert", user("bert", &[], None)));
        let chain = Chain::any(schemes(&[&anna, &bert])).unwrap();
        assert_eq!(chain.places(), [places("anna"), places("bert")].concat());
        assert_eq!(chain.places_of(Verified::None), []);
        assert_eq!(chain.places_of(Verified::One(1)), places("bert"));
        assert_eq!(chain.places_of(Verified::One(2)), []);
        assert_eq!(chain.places_of(Verified::All), chain.places());
    }

    #[test]
    fn each_way_in_is_told_once() {
        let (open, anna) = (fixed("open", nobody()), fixed("anna", Attempt::Absent));
        let chain = Chain::any(schemes(&[&open, &anna, &fixed("bert", Attempt::Absent)])).unwrap();
        assert_eq!(chain.challenges(), [Arc::new(Challenge::bearer("r"))]);
        assert!(Chain::any(schemes(&[&open])).unwrap().challenges().is_empty());
    }

    #[tokio::test]
    async fn every_attempt_is_seen() {
        let (bad, anna) =
            (fixed("bad", Attempt::invalid_token("bad")), fixed("anna", user("anna", &[], None)));
        let mut seen = Vec::new();
        let chain = Chain::any(schemes(&[&bad, &anna])).unwrap();
        chain
            .authenticate(&head(&[], None), Timestamp::MAX, |scheme, attempt| {
                seen.push((scheme.name().to_string(), matches!(attempt, Attempt::Verified(_))));
            })
            .await;
        assert_eq!(seen, [("bad".to_owned(), false), ("anna".to_owned(), true)]);
    }
}
