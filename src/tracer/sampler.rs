//! Head samplers: whether a span is recorded and sampled, decided when it starts.
//!
//! A closed set without indirection, because the decision stands in the way of every span, and [`Sampler::Custom`] for
//! the rest. Recording without sampling is possible; sampling without recording is not.

use crate::context::threshold::{self, Randomness, Threshold};
use crate::context::{Sampling, SpanContext, TraceState};
use crate::model::{Attributes, SpanKind, TraceId, UnixNanos};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What a sampler may look at.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Parent, when valid.
    pub parent: Option<&'a SpanContext>,
    /// Trace the span will belong to.
    pub trace_id: TraceId,
    /// Name.
    pub name: &'a str,
    /// Kind.
    pub kind: SpanKind,
    /// Attributes known at the start.
    pub attributes: &'a Attributes,
    /// The time of the start.
    pub now: UnixNanos,
}

/// What becomes of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Neither recorded nor sampled; its context still travels.
    Drop,
    /// Recorded for processors, not exported.
    RecordOnly,
    /// Recorded and exported.
    RecordAndSample,
}

/// A decision with what the sampler wants noted.
#[derive(Clone, PartialEq, Debug)]
pub struct Sampled {
    /// Decision.
    pub decision: Decision,
    /// Attributes to add to the span.
    pub attributes: Attributes,
    /// Tracestate for the span; `None` leaves the parent's.
    pub trace_state: Option<TraceState>,
}

impl From<Decision> for Sampled {
    fn from(decision: Decision) -> Self {
        Self { decision, attributes: Attributes::default(), trace_state: None }
    }
}

/// A sampler of one's own.
pub trait ShouldSample: Send + Sync {
    /// Decides.
    fn sample(&self, candidate: &Candidate<'_>) -> Sampled;
    /// What it is called, for people.
    fn description(&self) -> String;
}

/// Delegates of the parent-based sampler.
#[derive(Clone, Debug)]
pub struct ParentBased {
    /// For spans without a parent, and where the parent left the decision to us.
    pub root: Sampler,
    /// Parent in another process, sampled.
    pub remote_sampled: Sampler,
    /// Parent in another process, not sampled.
    pub remote_not_sampled: Sampler,
    /// Parent here, sampled.
    pub local_sampled: Sampler,
    /// Parent here, not sampled.
    pub local_not_sampled: Sampler,
}

/// At most so many new decisions to sample a second, by a bucket of tokens one second deep.
#[derive(Debug)]
pub struct RateLimit {
    interval_ns: i64,
    /// When the bucket would be full again; the generic cell rate algorithm needs nothing more.
    full_at: AtomicI64,
}

impl RateLimit {
    /// `per_second` of at least one in a thousand seconds.
    pub fn new(per_second: f64) -> Self {
        Self { interval_ns: (1e9 / per_second.max(0.001)) as i64, full_at: AtomicI64::new(i64::MIN) }
    }

    /// Takes a token, if there is one at `now`.
    pub fn take(&self, now: UnixNanos) -> bool {
        let depth = self.interval_ns.max(1_000_000_000);
        self.full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                let next = full_at.max(now.0).saturating_add(self.interval_ns);
                (next <= now.0.saturating_add(depth)).then_some(next)
            })
            .is_ok()
    }
}

/// See the module comment.
#[derive(Clone)]
pub enum Sampler {
    /// Everything.
    AlwaysOn,
    /// Nothing.
    AlwaysOff,
    /// A share of traces by the trace id alone, without a word in tracestate (`TraceIdRatioBased`; deprecated).
    Ratio(Threshold),
    /// A share of traces, consistently between services: `th` tells others, `rv` is honoured.
    Probability(Threshold),
    /// As the parent, else as the delegates say.
    ParentBased(Box<ParentBased>),
    /// So many a second; the count a span stands for is then unknown, and `th` is erased.
    RateLimited(Arc<RateLimit>),
    /// One's own.
    Custom(Arc<dyn ShouldSample>),
}

impl Default for Sampler {
    /// The specification's: as the parent, and every root.
    fn default() -> Self {
        Self::parent_based(Self::AlwaysOn)
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())
    }
}

impl Sampler {
    /// As the parent decided; roots as `root` says.
    pub fn parent_based(root: Self) -> Self {
        Self::ParentBased(Box::new(ParentBased {
            root,
            remote_sampled: Self::AlwaysOn,
            remote_not_sampled: Self::AlwaysOff,
            local_sampled: Self::AlwaysOn,
            local_not_sampled: Self::AlwaysOff,
        }))
    }

    /// The share of traces by trace id; below the least probability nothing, above 1 everything.
    pub fn ratio(probability: f64) -> Self {
        Self::with_threshold(probability, Self::Ratio)
    }

    /// The share of traces, consistently between services.
    pub fn probability(probability: f64) -> Self {
        Self::with_threshold(probability, Self::Probability)
    }

    /// At most so many sampled roots a second.
    pub fn rate_limited(per_second: f64) -> Self {
        Self::RateLimited(Arc::new(RateLimit::new(per_second)))
    }

    fn with_threshold(probability: f64, make: fn(Threshold) -> Self) -> Self {
        if probability >= 1.0 {
            return make(Threshold::ALWAYS);
        }
        Threshold::from_probability(probability, threshold::DEFAULT_PRECISION).map_or(Self::AlwaysOff, make)
    }

    /// What it is, in the words of the specification.
    pub fn description(&self) -> String {
        match self {
            Self::AlwaysOn => "AlwaysOnSampler".to_owned(),
            Self::AlwaysOff => "AlwaysOffSampler".to_owned(),
            Self::Ratio(threshold) => format!("TraceIdRatioBased{{{}}}", threshold.probability()),
            Self::Probability(threshold) => format!("ProbabilitySampler{{{}}}", threshold.probability()),
            Self::ParentBased(delegates) => format!("ParentBased{{root={}}}", delegates.root.description()),
            Self::RateLimited(limit) => format!("RateLimited{{{}/s}}", 1e9 / limit.interval_ns as f64),
            Self::Custom(sampler) => sampler.description(),
        }
    }

    /// True when the decision depends on the time.
    pub(super) fn needs_time(&self) -> bool {
        match self {
            Self::RateLimited(_) | Self::Custom(_) => true,
            Self::ParentBased(delegates) => delegates.root.needs_time(),
            _ => false,
        }
    }

    /// Decides.
    pub fn sample(&self, candidate: &Candidate<'_>) -> Sampled {
        match self {
            Self::AlwaysOn => Decision::RecordAndSample.into(),
            Self::AlwaysOff => Decision::Drop.into(),
            Self::Ratio(threshold) => Self::kept(threshold.keeps(Randomness::of(candidate.trace_id))),
            Self::Probability(threshold) => Self::consistent(*threshold, candidate),
            Self::ParentBased(delegates) => {
                let mut sampled = delegates.pick(candidate.parent).sample(candidate);
                if sampled.trace_state.is_none() {
                    sampled.trace_state = candidate.parent.and_then(without_false_threshold);
                }
                sampled
            }
            Self::RateLimited(limit) => {
                let mut sampled = Self::kept(limit.take(candidate.now));
                sampled.trace_state = candidate.parent.map(|parent| threshold::with_threshold(&parent.trace_state, None));
                sampled
            }
            Self::Custom(sampler) => sampler.sample(candidate),
        }
    }

    fn kept(keep: bool) -> Sampled {
        if keep { Decision::RecordAndSample.into() } else { Decision::Drop.into() }
    }

    fn consistent(threshold: Threshold, candidate: &Candidate<'_>) -> Sampled {
        let none = TraceState::default();
        let state = candidate.parent.map_or(&none, |parent| &parent.trace_state);
        let mut sampled = Self::kept(threshold.keeps(Randomness::find(candidate.trace_id, state)));
        let told = (sampled.decision == Decision::RecordAndSample).then_some(threshold);
        sampled.trace_state = Some(threshold::with_threshold(state, told));
        sampled
    }
}

/// A sampled parent's threshold that its own randomness contradicts tells a wrong count: tracestate without it.
fn without_false_threshold(parent: &SpanContext) -> Option<TraceState> {
    let told = threshold::threshold_of(&parent.trace_state)?;
    let holds = told.keeps(Randomness::find(parent.trace_id, &parent.trace_state)) == parent.is_sampled();
    (!holds).then(|| threshold::with_threshold(&parent.trace_state, None))
}

impl ParentBased {
    fn pick(&self, parent: Option<&SpanContext>) -> &Sampler {
        match parent {
            None => &self.root,
            Some(parent) if parent.sampling == Sampling::Deferred => &self.root,
            Some(parent) => match (parent.remote, parent.is_sampled()) {
                (true, true) => &self.remote_sampled,
                (true, false) => &self.remote_not_sampled,
                (false, true) => &self.local_sampled,
                (false, false) => &self.local_not_sampled,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::TraceFlags;
    use crate::model::SpanId;

    fn decide(sampler: &Sampler, parent: Option<&SpanContext>, trace_id: TraceId, now: i64) -> Sampled {
        let attributes = Attributes::default();
        let now = UnixNanos(now);
        sampler.sample(&Candidate { parent, trace_id, name: "x", kind: SpanKind::Internal, attributes: &attributes, now })
    }

    fn parent(flags: u8, remote: bool, state: &str) -> SpanContext {
        let trace_state = TraceState::parse([state.as_bytes()]).unwrap();
        let context = SpanContext::from_remote(TraceId([1; 16]), SpanId([1; 8]), TraceFlags::from_byte(flags));
        SpanContext { remote, trace_state, ..context }
    }

    #[test]
    fn the_parents_decision_stands() {
        let sampler = Sampler::parent_based(Sampler::AlwaysOff);
        for (flags, remote, decision) in [
            (1, true, Decision::RecordAndSample),
            (0, true, Decision::Drop),
            (3, false, Decision::RecordAndSample),
            (2, false, Decision::Drop),
        ] {
            assert_eq!(decide(&sampler, Some(&parent(flags, remote, "")), TraceId([1; 16]), 0).decision, decision);
        }
        assert_eq!(decide(&sampler, None, TraceId([1; 16]), 0).decision, Decision::Drop);
    }

    #[test]
    fn a_deferred_decision_is_taken_as_for_a_root() {
        let deferred = SpanContext { sampling: Sampling::Deferred, ..parent(0, true, "") };
        let sampler = Sampler::default();
        assert_eq!(decide(&sampler, Some(&deferred), TraceId([1; 16]), 0).decision, Decision::RecordAndSample);
    }

    #[test]
    fn a_ratio_keeps_its_share() {
        let ids = super::super::ids::SeededIds::new(1);
        for sampler in [Sampler::ratio(0.25), Sampler::probability(0.25)] {
            let kept = (0..20_000)
                .filter(|_| {
                    let id = super::super::ids::IdSource::trace_id(&ids);
                    decide(&sampler, None, id, 0).decision == Decision::RecordAndSample
                })
                .count();
            assert!((4700..5300).contains(&kept), "{sampler:?} kept {kept}");
        }
        assert!(matches!(Sampler::ratio(0.0), Sampler::AlwaysOff));
        assert_eq!(decide(&Sampler::ratio(1.0), None, TraceId([0; 16]), 0).decision, Decision::RecordAndSample);
    }

    #[test]
    fn probability_tells_its_threshold_and_honours_rv() {
        let sampler = Sampler::probability(0.5);
        let high = parent(3, true, "ot=rv:80000000000000,x=1");
        let sampled = decide(&sampler, Some(&high), TraceId([0; 16]), 0);
        assert_eq!(sampled.decision, Decision::RecordAndSample);
        assert_eq!(sampled.trace_state.unwrap().as_str(), "ot=th:8;rv:80000000000000,x=1");
        let low = parent(3, true, "ot=rv:7fffffffffffff;th:4");
        let sampled = decide(&sampler, Some(&low), TraceId([0xff; 16]), 0);
        assert_eq!(sampled.decision, Decision::Drop);
        assert_eq!(sampled.trace_state.unwrap().as_str(), "ot=rv:7fffffffffffff", "a threshold that no longer holds is erased");
    }

    #[test]
    fn a_parents_threshold_goes_on_unless_its_randomness_contradicts_it() {
        let sampler = Sampler::default();
        let honest = parent(1, true, "ot=th:8;rv:80000000000000");
        assert_eq!(decide(&sampler, Some(&honest), TraceId([1; 16]), 0).trace_state, None);
        let wrong = parent(1, true, "ot=th:8;rv:70000000000000");
        let sampled = decide(&sampler, Some(&wrong), TraceId([1; 16]), 0);
        assert_eq!(sampled.trace_state.unwrap().as_str(), "ot=rv:70000000000000");
    }

    #[test]
    fn a_rate_limit_holds_over_time() {
        let sampler = Sampler::rate_limited(2.0);
        let kept = |now| decide(&sampler, None, TraceId([1; 16]), now).decision == Decision::RecordAndSample;
        assert_eq!([kept(0), kept(0), kept(0)], [true, true, false]);
        assert_eq!([kept(500_000_000), kept(500_000_000)], [true, false]);
        let second = (0..100).filter(|step| kept(10_000_000_000 + step * 10_000_000)).count();
        assert!((2..=4).contains(&second), "{second}");
    }
}
