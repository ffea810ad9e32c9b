//! What a trace says: layout in lanes, self time. Pure functions of a trace.
