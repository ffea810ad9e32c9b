//! Which colour a service has: a stable index, the same on every screen.
//!
//! The index is a hash of the name, moved on to the next free colour in first-seen order; beyond ten services colours
//! repeat and their bars carry a stripe.

use super::roles::SERIES;
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Index of a service's colour.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ServiceColour {
    /// Into [`super::Theme::series`].
    pub index: u8,
    /// True when another service has the same colour: a stripe in `canvas_select` tells them apart.
    pub stripe: bool,
}

/// The colours given so far. Cheap to clone, all clones share them; may be asked from any thread.
#[derive(Clone, Default, Debug)]
pub struct ServiceColours(Arc<Mutex<HashMap<SmolStr, ServiceColour>>>);

impl ServiceColours {
    /// The colour of a service, given now when it is new.
    pub fn of(&self, service: &str) -> ServiceColour {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(colour) = given.get(service) {
            return *colour;
        }
        let colour = choose(service, &given);
        given.insert(service.into(), colour);
        colour
    }
}

fn choose(service: &str, given: &HashMap<SmolStr, ServiceColour>) -> ServiceColour {
    let wanted = (fnv(service) % SERIES as u64) as usize;
    let mut taken = [false; SERIES];
    for colour in given.values() {
        taken[usize::from(colour.index)] = true;
    }
    let free = (0..SERIES).map(|step| (wanted + step) % SERIES).find(|index| !taken[*index]);
    ServiceColour { index: free.unwrap_or(wanted) as u8, stripe: free.is_none() }
}

/// FNV-1a: the same in every build, unlike the standard library's hasher.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_services_have_ten_colours_and_keep_them() {
        let colours = ServiceColours::default();
        let names: Vec<String> = (0..10).map(|n| format!("service-{n}")).collect();
        let given: Vec<ServiceColour> = names.iter().map(|name| colours.of(name)).collect();
        let mut indices: Vec<u8> = given.iter().map(|colour| colour.index).collect();
        indices.sort_unstable();
        assert_eq!(indices, (0..10).collect::<Vec<u8>>());
        assert!(given.iter().all(|colour| !colour.stripe));
        assert!(colours.of("the eleventh").stripe);
        let again: Vec<ServiceColour> = names.iter().map(|name| colours.clone().of(name)).collect();
        assert_eq!(given, again);
    }
}
