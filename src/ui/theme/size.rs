//! Sizes, spacing, radii, strokes and durations of the tokens, in points and seconds; a test holds them to the file.

macro_rules! tokens {
    ($group:literal: $($(#[$doc:meta])* $name:ident = $key:literal $value:literal),* $(,)?) => {
        $($(#[$doc])* pub const $name: f32 = $value;)*
        #[cfg(test)]
        pub(super) const CHECK: (&str, &[(&str, f32)]) = ($group, &[$(($key, $value)),*]);
    };
}

/// Space between things.
pub mod space {
    tokens! {"space":
        /// The grid.
        UNIT = "unit" 4.0,
        /// Inside a panel.
        PANEL = "panel_padding" 12.0,
        /// Inside a card.
        CARD = "card_padding" 12.0,
        /// Between controls.
        CONTROL = "control_gap" 8.0,
        /// Between sections.
        SECTION = "section_gap" 16.0,
        /// Between an icon and its text.
        ICON_TEXT = "icon_text_gap" 6.0,
    }
}

/// Heights and widths of parts.
pub mod part {
    tokens! {"size":
        /// Rail with labels.
        RAIL = "rail_expanded" 152.0,
        /// Rail with icons only.
        RAIL_COLLAPSED = "rail_collapsed" 44.0,
        /// Top bar.
        TOP_BAR = "top_bar" 44.0,
        /// Query bar.
        QUERY_BAR = "query_bar" 40.0,
        /// Tab strip.
        TAB_STRIP = "tab_strip" 32.0,
        /// Status bar.
        STATUS_BAR = "status_bar" 24.0,
        /// Header of a panel or card.
        PANEL_HEADER = "panel_header" 32.0,
        /// Dense table row.
        ROW_DENSE = "row_dense" 24.0,
        /// Table row, rail item.
        ROW = "row" 28.0,
        /// Comfortable table row.
        ROW_COMFORTABLE = "row_comfortable" 36.0,
        /// Header row of a table.
        TABLE_HEADER = "table_header" 28.0,
        /// Button.
        BUTTON = "button" 28.0,
        /// Small button.
        BUTTON_SMALL = "button_small" 24.0,
        /// Text field.
        FIELD = "field" 28.0,
        /// Flame graph row.
        FLAME_ROW = "flame_row" 20.0,
        /// Dense flame graph row.
        FLAME_ROW_DENSE = "flame_row_dense" 14.0,
        /// Minimap.
        MINIMAP = "minimap" 56.0,
        /// Scroll bar.
        SCROLLBAR = "scrollbar" 8.0,
        /// Grab width of a splitter.
        SPLITTER_HIT = "splitter_hit" 8.0,
        /// Least size of what can be clicked.
        HIT = "min_hit_target" 24.0,
        /// Highest popup.
        POPUP_MAX = "popup_max_height" 320.0,
        /// Command palette.
        PALETTE = "palette_width" 640.0,
        /// Narrowest details panel.
        DETAILS_MIN = "details_min" 320.0,
        /// Details panel.
        DETAILS = "details_default" 400.0,
        /// Toast.
        TOAST = "toast_width" 360.0,
    }
}

/// Corner radii.
pub mod radius {
    tokens! {"radius":
        /// Chips and keys.
        CHIP = "chip" 4.0,
        /// Buttons and fields.
        CONTROL = "control" 5.0,
        /// Cards.
        CARD = "card" 6.0,
        /// Popups.
        POPUP = "popup" 8.0,
    }
}

/// Line widths.
pub mod stroke {
    tokens! {"stroke":
        /// Separators.
        HAIRLINE = "hairline" 1.0,
        /// Plotted line.
        PLOT = "plot_line" 1.5,
        /// Plotted line under the pointer.
        PLOT_HOVER = "plot_line_hover" 2.25,
        /// Around what is selected on a canvas.
        SELECTION = "selection_outline" 1.5,
        /// Critical path.
        CRITICAL_PATH = "critical_path" 3.0,
        /// Focus ring.
        FOCUS = "focus_ring" 1.0,
        /// Halo outside the focus ring.
        FOCUS_HALO = "focus_halo" 2.0,
        /// Icons on their grid of 16.
        ICON = "icon" 1.5,
    }
}

/// Durations in milliseconds.
pub mod motion_ms {
    tokens! {"motion_ms":
        /// Popups open.
        POPUP = "popup" 90.0,
        /// Panels slide.
        PANEL = "panel_slide" 140.0,
        /// Zoom of a canvas.
        ZOOM = "viewport_zoom" 160.0,
        /// Rows that arrive flash.
        ROW_FLASH = "new_row_flash" 600.0,
        /// Loading shows after this.
        LOADING_DELAY = "loading_delay" 150.0,
        /// Tooltips of controls.
        TOOLTIP = "tooltip_delay" 350.0,
        /// Tooltips of canvases.
        TOOLTIP_CANVAS = "tooltip_delay_canvas" 60.0,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_those_of_the_tokens() {
        let tokens: serde_json::Value = serde_json::from_str(crate::ui::theme::roles::TOKENS).unwrap();
        for (group, pairs) in
            [super::space::CHECK, super::part::CHECK, super::radius::CHECK, super::stroke::CHECK, super::motion_ms::CHECK]
        {
            for (key, value) in pairs {
                assert_eq!(tokens[group][key].as_f64(), Some(f64::from(*value)), "{group}.{key}");
            }
        }
    }
}
