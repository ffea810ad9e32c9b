//! Sums of a segment that are asked for over everything: services, operations, attribute keys, runs.
//!
//! They are exact except for quantiles, which come from sixteen buckets a power of two: at most 3 % off.

use super::super::bytes::{In, Out};
use super::super::dedupe::AsIs;
use super::column::{Packer, read_bytes};
use crate::model::batch::{IN_FLIGHT, ResourceRow, ScopeRow, SpanBatch, SpanRow};
use crate::model::{DurationNs, ResourceRef, SpanKind, StatusCode, UnixNanos};
use crate::source::tally::run_of_resource;
use crate::source::{AttrScope, Run};
use smol_str::SmolStr;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

/// Numbers of resource and scope keys beside those of [`super::AttrColumn::scope`].
const RESOURCE_KEYS: u8 = 3;
const SCOPE_KEYS: u8 = 4;

/// Parts of a segment's time in which requests are counted.
pub(crate) const SPARK: usize = 64;

/// Durations counted in buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Buckets(BTreeMap<u16, u64>);

impl Buckets {
    pub(crate) fn add(&mut self, duration: i64) {
        *self.0.entry(bucket(duration.max(0) as u64)).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(bucket, count)| *self.0.entry(*bucket).or_default() += count);
    }

    /// The `q` quantile, nearest rank.
    pub(crate) fn quantile(&self, q: f64) -> DurationNs {
        let total: u64 = self.0.values().sum();
        let rank = ((q * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.0 {
            seen += count;
            if seen >= rank {
                return DurationNs(middle(*bucket) as i64);
            }
        }
        DurationNs(0)
    }
}

fn bucket(value: u64) -> u16 {
    if value < 32 {
        return value as u16;
    }
    let power = 63 - value.leading_zeros() as u16;
    (power - 4) * 16 + ((value >> (power - 4)) & 15) as u16 + 16
}

/// The middle of a bucket.
fn middle(bucket: u16) -> u64 {
    if bucket < 32 {
        return u64::from(bucket);
    }
    let (power, part) = ((bucket - 16) / 16 + 4, u64::from((bucket - 16) % 16));
    let width = 1_u64 << (power - 4);
    (16 + part) * width + width / 2
}

/// The part of a segment's time that a start lies in.
fn part_of(start: i64, (first, last): (i64, i64)) -> usize {
    let share = (start.wrapping_sub(first) as u64) as f64 / (last.wrapping_sub(first) as u64).max(1) as f64;
    ((share * SPARK as f64) as usize).min(SPARK - 1)
}

/// One service of a segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TalliedService {
    pub(crate) service: SmolStr,
    pub(crate) spans: u64,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) last_seen: i64,
    pub(crate) durations: Buckets,
    /// Requests by start, in [`SPARK`] equal parts of the time from the segment's first to its last start.
    pub(crate) spark: Vec<u32>,
}

/// The sums, read back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tallied {
    /// First and last start.
    pub(crate) starts: (i64, i64),
    pub(crate) services: Vec<TalliedService>,
    /// Service, span name, spans.
    pub(crate) operations: Vec<(SmolStr, SmolStr, u64)>,
    keys: Vec<(u8, SmolStr, u64)>,
    pub(crate) runs: Vec<Run>,
}

#[derive(Default, Clone)]
struct Owner {
    spans: u64,
    first: i64,
    last: i64,
}

/// The sums in the making.
pub(super) struct Tally {
    starts: (i64, i64),
    /// The service of each resource as a number.
    service_of: Vec<u32>,
    services: Vec<(u32, TalliedService)>,
    owners: Vec<(ResourceRow, Owner)>,
    operations: HashMap<u64, u64, BuildHasherDefault<AsIs>>,
    keys: BTreeMap<(u8, u32), u64>,
}

impl Tally {
    pub(super) fn new(batch: &SpanBatch, resources: &[ResourceRow]) -> Self {
        let mut services: Vec<(u32, TalliedService)> = Vec::new();
        let mut service_of = Vec::with_capacity(resources.len());
        for row in resources {
            let at = services.iter().position(|(service, _)| *service == row.service).unwrap_or_else(|| {
                let service = batch.strings.get(row.service).into();
                services.push((
                    row.service,
                    TalliedService { service, last_seen: i64::MIN, spark: vec![0; SPARK], ..TalliedService::default() },
                ));
                services.len() - 1
            });
            service_of.push(at as u32);
        }
        let fresh = Owner { spans: 0, first: i64::MAX, last: i64::MIN };
        let owners = resources.iter().map(|row| (*row, fresh.clone())).collect();
        let starts = batch.spans.iter().map(|span| (span.start, span.start));
        let starts = starts.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default();
        Self { starts, service_of, services, owners, operations: HashMap::default(), keys: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, span: &SpanRow, resource: u32) {
        let at = self.service_of[resource as usize];
        let owner = &mut self.owners[resource as usize].1;
        owner.spans += 1;
        owner.first = owner.first.min(span.start);
        owner.last = owner.last.max(span.start);
        // Multiplied by an odd number so that the low bits, which choose the place, spread.
        let operation = (u64::from(at) << 32 | u64::from(span.name)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        *self.operations.entry(operation).or_default() += 1;
        let service = &mut self.services[at as usize].1;
        service.spans += 1;
        service.last_seen = service.last_seen.max(span.start);
        let asked = span.kind == SpanKind::Server as u8 || span.kind == SpanKind::Consumer as u8;
        if asked || !span.parent.is_valid() {
            service.requests += 1;
            service.errors += u64::from(span.status == StatusCode::Error as u8);
            service.spark[part_of(span.start, self.starts)] += 1;
            if span.end != IN_FLIGHT {
                service.durations.add(span.end.saturating_sub(span.start));
            }
        }
    }

    pub(super) fn add_key(&mut self, scope: u8, key: u32, count: u64) {
        *self.keys.entry((scope, key)).or_default() += count;
    }

    pub(super) fn add_scopes(&mut self, batch: &SpanBatch, scopes: &[u32], rows: &[ScopeRow]) {
        let mut counts = vec![0_u64; rows.len()];
        scopes.iter().for_each(|scope| counts[*scope as usize] += 1);
        for (row, count) in rows.iter().zip(counts) {
            batch.attrs[row.attrs.range()].iter().for_each(|attr| self.add_key(SCOPE_KEYS, attr.key, count));
        }
    }

    pub(super) fn encode(mut self, batch: &SpanBatch, packer: &mut Packer) -> Vec<u8> {
        for (row, owner) in self.owners.clone() {
            batch.attrs[row.attrs.range()].iter().for_each(|attr| self.add_key(RESOURCE_KEYS, attr.key, owner.spans));
        }
        let mut out = Out::default();
        out.signed(self.starts.0);
        out.signed(self.starts.1);
        out.varint(self.services.len() as u64);
        for (_, service) in &self.services {
            out.sized(service.service.as_bytes());
            [service.spans, service.requests, service.errors].into_iter().for_each(|number| out.varint(number));
            out.signed(service.last_seen);
            out.varint(service.durations.0.len() as u64);
            for (bucket, count) in &service.durations.0 {
                out.varint(u64::from(*bucket));
                out.varint(*count);
            }
            service.spark.iter().for_each(|count| out.varint(u64::from(*count)));
        }
        let mut operations: Vec<(u64, u64)> = self
            .operations
            .into_iter()
            // The inverse of the odd number above, modulo 2^64.
            .map(|(key, count)| (key.wrapping_mul(0xf1de_83e1_9937_733d), count))
            .collect();
        operations.sort_unstable();
        out.varint(operations.len() as u64);
        for (key, count) in operations {
            out.varint(key >> 32);
            out.sized(batch.strings.get(key as u32).as_bytes());
            out.varint(count);
        }
        out.varint(self.keys.len() as u64);
        for ((scope, key), count) in &self.keys {
            out.u8(*scope);
            out.sized(batch.strings.get(*key).as_bytes());
            out.varint(*count);
        }
        out.varint(self.owners.iter().filter(|(_, owner)| owner.spans > 0).count() as u64);
        for (row, owner) in self.owners.iter().filter(|(_, owner)| owner.spans > 0) {
            let (service, instance, version) = run_of_resource(ResourceRef { batch, row });
            [service, instance, version].iter().for_each(|text| out.sized(text.as_bytes()));
            out.signed(owner.first);
            out.signed(owner.last);
            out.varint(owner.spans);
        }
        let mut packed = Out::default();
        packed.varint(out.0.len() as u64);
        packer.bytes(&mut packed, &out.0);
        packed.0
    }
}

impl Tallied {
    /// Unpacks the part. `None` when it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = In(bytes);
        let size = bytes.varint()? as usize;
        let raw = read_bytes(&mut bytes, size)?;
        let mut bytes = In(&raw);
        let mut tallied = Self { starts: (bytes.signed()?, bytes.signed()?), ..Self::default() };
        for _ in 0..bytes.count()? {
            let service: SmolStr = bytes.text()?.into();
            let (spans, requests, errors) = (bytes.varint()?, bytes.varint()?, bytes.varint()?);
            let last_seen = bytes.signed()?;
            let buckets = bytes.count()?;
            let durations = (0..buckets).map(|_| Some((u16::try_from(bytes.varint()?).ok()?, bytes.varint()?)));
            let durations = Buckets(durations.collect::<Option<_>>()?);
            let spark = (0..SPARK).map(|_| bytes.u32()).collect::<Option<_>>()?;
            tallied.services.push(TalliedService { service, spans, requests, errors, last_seen, durations, spark });
        }
        for _ in 0..bytes.count()? {
            let service = tallied.services.get(bytes.varint()? as usize)?.service.clone();
            tallied.operations.push((service, bytes.text()?.into(), bytes.varint()?));
        }
        for _ in 0..bytes.count()? {
            tallied.keys.push((bytes.u8()?, bytes.text()?.into(), bytes.varint()?));
        }
        for _ in 0..bytes.count()? {
            tallied.runs.push(Run {
                service: bytes.text()?.into(),
                instance: bytes.text()?.into(),
                version: bytes.text()?.into(),
                first_seen: UnixNanos(bytes.signed()?),
                last_seen: UnixNanos(bytes.signed()?),
                spans: bytes.varint()?,
            });
        }
        Some(tallied)
    }

    /// Keys of a scope with the number of their attributes.
    pub(crate) fn keys(&self, scope: AttrScope) -> impl Iterator<Item = (&SmolStr, u64)> {
        self.keys
            .iter()
            .filter(move |(of, ..)| match scope {
                AttrScope::Any => *of == 0 || *of == RESOURCE_KEYS,
                AttrScope::Span => *of == 0,
                AttrScope::Event => *of == 1,
                AttrScope::Link => *of == 2,
                AttrScope::Resource => *of == RESOURCE_KEYS,
                AttrScope::Scope => *of == SCOPE_KEYS,
            })
            .map(|(_, key, count)| (key, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_three_percent_off() {
        for value in (0..64).flat_map(|shift| [1_u64 << shift, (1_u64 << shift) + (1 << shift) / 3]) {
            let off = middle(bucket(value)).abs_diff(value);
            assert!(off as f64 <= value as f64 * 0.032, "{value}: {}", middle(bucket(value)));
        }
        assert_eq!(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(0xf1de_83e1_9937_733d), 1);
    }
}
