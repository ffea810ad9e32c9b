//! What a reader must know before believing the picture: missing parents, circles, clocks that are off.

use super::header::plural;
use super::small;
use super::state::Open;
use crate::model::{DurationNs, units};
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{Icon, icon};
use crate::ui::view::ViewContext;
use crate::ui::widgets::{icon_button, link};
use egui::{Align, Frame, Layout, Panel, Ui, UiBuilder, vec2};

struct Notice {
    id: &'static str,
    icon: Icon,
    text: String,
    action: Option<(&'static str, Action)>,
    warns: bool,
}

#[derive(Clone, Copy)]
enum Action {
    Find(&'static str),
    Adjust(bool),
}

fn notices(open: &Open) -> Vec<Notice> {
    let figures = &open.loaded.figures;
    let mut notices = Vec::new();
    let count = |number: u32| units::count(u64::from(number));
    if let Some(skew) = open.loaded.skews.first().filter(|_| !open.hide_skew) {
        let length = units::duration(DurationNs(skew.ahead.0.saturating_abs()));
        let side = if skew.ahead.0 > 0 { "ahead" } else { "behind" };
        let others = match open.loaded.skews.len() - 1 {
            0 => String::new(),
            1 => ", one more is off".to_owned(),
            more => format!(", {more} more are off"),
        };
        let (text, action) = if open.loaded.adjusted {
            (format!("Clock of {} set right by {length}{others}", skew.service), ("Show as sent", Action::Adjust(false)))
        } else {
            (format!("Clock of {} is {length} {side}{others}", skew.service), ("Adjust", Action::Adjust(true)))
        };
        notices.push(Notice { id: "skew", icon: Icon::Clock, text, action: Some(action), warns: !open.loaded.adjusted });
    }
    if figures.orphans > 0 {
        let verb = if figures.orphans == 1 { "has a parent that was" } else { "have parents that were" };
        let text = format!("{} {} {verb} not received", count(figures.orphans), plural("span", figures.orphans as usize));
        let action = Some(("Find", Action::Find("is:orphan")));
        notices.push(Notice { id: "orphans", icon: Icon::Warn, text, action, warns: true });
    }
    if figures.cycles > 0 {
        let text = format!("{} of the parents form a circle, which is cut above the earliest span", count(figures.cycles));
        let action = Some(("Find", Action::Find("is:cycle")));
        notices.push(Notice { id: "cycles", icon: Icon::Warn, text, action, warns: true });
    }
    if figures.untimed > 0 {
        let text = format!(
            "{} {} came without a time and stand where their parent starts",
            count(figures.untimed),
            plural("span", figures.untimed as usize)
        );
        let action = Some(("Find", Action::Find("is:untimed")));
        notices.push(Notice { id: "untimed", icon: Icon::Info, text, action, warns: false });
    }
    notices
}

/// One row, 28 high, with all that is to be said; nothing when there is nothing.
pub(super) fn show(open: &mut Open, ui: &mut Ui, ctx: &ViewContext<'_>) {
    let notices: Vec<Notice> = notices(open).into_iter().filter(|notice| !open.details.dismissed.contains(notice.id)).collect();
    if notices.is_empty() {
        return;
    }
    let theme = ctx.theme;
    let warns = notices.iter().any(|notice| notice.warns);
    let fill = if warns { theme.warn_soft } else { theme.info_soft };
    Panel::top("trace_notices").exact_size(part::ROW).frame(Frame::new().fill(fill)).show_separator_line(false).show(
        ui,
        |ui| {
            let rect = ui.max_rect().shrink2(vec2(space::PANEL, 0.0));
            let mut row = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center)));
            row.shrink_clip_rect(rect);
            row.spacing_mut().item_spacing.x = 6.0;
            for (at, notice) in notices.iter().enumerate() {
                if at > 0 {
                    row.add_space(14.0);
                }
                let colour = if notice.warns { theme.warn } else { theme.info };
                let (icon, _) = row.allocate_exact_size(vec2(14.0, 14.0), egui::Sense::hover());
                notice.icon.paint(row.painter(), icon.center(), icon::SIZE_SMALL, colour);
                row.label(small(&notice.text, theme.text));
                if let Some((word, action)) = notice.action
                    && link(&mut row, word, crate::ui::theme::Face::Small).clicked()
                {
                    match action {
                        Action::Find(text) => open.find_text = text.to_owned(),
                        Action::Adjust(adjust) => open.adjust = adjust,
                    }
                }
            }
            let mut end = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::right_to_left(Align::Center)));
            if icon_button(&mut end, Icon::Close, "Dismiss notices") {
                open.details.dismissed.extend(notices.iter().map(|notice| notice.id));
            }
        },
    );
}
