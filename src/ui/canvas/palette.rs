//! The colour of each class of spans, see [`ClassBy`].

use crate::analysis::{ClassBy, SELF_TIME_STEPS, Tree};
use crate::ui::theme::{ServiceColours, Theme};
use egui::Color32;

/// Colours of one class.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ClassColour {
    /// Bars.
    pub fill: Color32,
    /// Bars outside the current find.
    pub dim: Color32,
    /// Text on bars.
    pub text: Color32,
    /// Another service has the same colour: a stripe tells them apart.
    pub stripe: bool,
}

/// Colours by class.
#[derive(Clone, PartialEq, Debug)]
pub struct Palette {
    classes: Vec<ClassColour>,
    /// A parent that was not received.
    pub missing: ClassColour,
}

impl Palette {
    /// For a tree coloured by `by`.
    pub fn new(theme: &Theme, services: &ServiceColours, tree: &Tree, by: ClassBy) -> Self {
        let series = |index: usize, stripe: bool| {
            let colours = theme.series[index % theme.series.len()];
            ClassColour { fill: colours.fill, dim: colours.fill_dim, text: theme.text_on_series, stripe }
        };
        let plain = |fill: Color32, text: Color32| ClassColour { fill, dim: theme.pressed, text, stripe: false };
        let classes = match by {
            ClassBy::Service => {
                let colour = |name| services.of(name);
                tree.services().iter().map(|name| colour(name)).map(|c| series(usize::from(c.index), c.stripe)).collect()
            }
            ClassBy::Kind => (0..6).map(|kind| series(kind * 3 + 1, false)).collect(),
            ClassBy::Status => vec![
                plain(theme.hairline_strong, theme.text),
                plain(theme.success_soft, theme.success),
                plain(theme.error_soft, theme.error),
            ],
            ClassBy::SelfTime => (0..usize::from(SELF_TIME_STEPS))
                .map(|step| {
                    let fill = theme.heat[step.min(theme.heat.len() - 1)];
                    plain(fill, readable(fill, theme))
                })
                .collect(),
        };
        Self { classes, missing: plain(theme.raised, theme.text_subdued) }
    }

    /// The colours of a class; those of the missing parent for a number that is not one.
    pub fn class(&self, class: u16) -> ClassColour {
        self.classes.get(usize::from(class)).copied().unwrap_or(self.missing)
    }
}

/// The text colour with more contrast on `fill`.
fn readable(fill: Color32, theme: &Theme) -> Color32 {
    let light = |colour: Color32| 0.299 * f32::from(colour.r()) + 0.587 * f32::from(colour.g()) + 0.114 * f32::from(colour.b());
    let (dark, bright) = if light(theme.text_strong) < light(theme.surface) {
        (theme.text_strong, theme.surface)
    } else {
        (theme.surface, theme.text_strong)
    };
    if light(fill) > 130.0 { dark } else { bright }
}
