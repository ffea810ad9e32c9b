//! How the trace view looks, the same for every trace and kept for the next start: rows, colours, critical path, splits.

use super::header::CLASSES;
use super::state::{Critical, Open};
use crate::analysis::ClassBy;
use crate::ui::theme::size::part;
use crate::ui::view::{Request, ViewContext};

/// Key of what is kept in the settings of a workspace.
const KEPT: &str = "window_trace";
/// The critical path by the name under which it is kept.
const CRITICAL: [(Critical, &str); 3] = [(Critical::Line, "line"), (Critical::Dim, "dim"), (Critical::Off, "off")];

/// See the module comment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Looks {
    /// Index of the height of rows.
    pub(super) density: usize,
    pub(super) class_by: ClassBy,
    pub(super) critical: Critical,
    /// The details are open.
    pub(super) details: bool,
    /// Width of the details, points.
    pub(super) details_width: f32,
    /// Height of the operations, points; 0 until it was chosen.
    pub(super) operations: f32,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            density: 0,
            class_by: ClassBy::default(),
            critical: Critical::default(),
            details: true,
            details_width: part::DETAILS,
            operations: 0.0,
        }
    }
}

impl Looks {
    fn to_json(self) -> String {
        let class = CLASSES.iter().find(|(by, _)| *by == self.class_by).map_or("service", |(_, word)| word);
        let critical = CRITICAL.iter().find(|(known, _)| *known == self.critical).map_or("line", |(_, word)| word);
        let value = serde_json::json!({
            "density": self.density, "colour_by": class, "critical_path": critical, "details": self.details,
            "details_width": self.details_width, "operations_height": self.operations,
        });
        value.to_string()
    }

    /// Reads [`Looks::to_json`]; what is not understood keeps its default.
    fn read(text: &str) -> Self {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let usual = Self::default();
        let word = |key: &str| value[key].as_str().unwrap_or_default();
        let size = |key: &str, least: f32, most: f32, usual: f32| {
            value[key].as_f64().map_or(usual, |size| (size as f32).clamp(least, most))
        };
        Self {
            density: value["density"].as_u64().map_or(usual.density, |density| (density as usize).min(2)),
            class_by: CLASSES.iter().find(|(_, known)| *known == word("colour_by")).map_or(usual.class_by, |(by, _)| *by),
            critical: CRITICAL.iter().find(|(_, known)| *known == word("critical_path")).map_or(usual.critical, |(by, _)| *by),
            details: value["details"].as_bool().unwrap_or(usual.details),
            details_width: size("details_width", part::DETAILS_MIN, 480.0, usual.details_width),
            operations: size("operations_height", 0.0, 2_000.0, usual.operations),
        }
    }

    /// What was kept in this workspace.
    pub(super) fn kept(ctx: &ViewContext<'_>) -> Self {
        ctx.engine.setting(KEPT).map(|text| Self::read(&text)).unwrap_or_default()
    }

    /// As an open trace looks now.
    pub(super) fn of(open: &Open) -> Self {
        Self {
            density: open.flame.density,
            class_by: open.class_by,
            critical: open.critical,
            details: open.details.open,
            details_width: open.details.width,
            operations: open.flame.operations,
        }
    }

    /// Gives a trace these looks.
    pub(super) fn apply(self, open: &mut Open) {
        open.flame.density = self.density;
        open.class_by = self.class_by;
        open.critical = self.critical;
        open.details.open = self.details;
        open.details.width = self.details_width;
        open.flame.operations = self.operations;
    }

    /// Keeps them for the next start.
    pub(super) fn keep(self, ctx: &mut ViewContext<'_>) {
        ctx.requests.push(Request::Keep(KEPT, self.to_json()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_written_and_read_back_and_anything_else_is_the_usual() {
        let looks = Looks {
            density: 2,
            class_by: ClassBy::SelfTime,
            critical: Critical::Dim,
            details: false,
            details_width: 444.0,
            operations: 180.0,
        };
        assert_eq!(Looks::read(&looks.to_json()), looks);
        assert_eq!(Looks::read("{\"density\": \"x\", \"details_width\": [], \"colour_by\": 7"), Looks::default());
        assert_eq!(Looks::read("{\"density\": 99, \"details_width\": 9}").details_width, part::DETAILS_MIN);
    }
}
