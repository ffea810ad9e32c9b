//! The functions of PromQL: names and types. What they compute is in `eval`.

use super::ast::ValueType;

/// Which function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "named after the function")]
pub enum FunctionId {
    Abs,
    Absent,
    AbsentOverTime,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    AvgOverTime,
    Ceil,
    Changes,
    Clamp,
    ClampMax,
    ClampMin,
    Cos,
    Cosh,
    CountOverTime,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    DaysInMonth,
    Deg,
    Delta,
    Deriv,
    DoubleExponentialSmoothing,
    End,
    Exp,
    FirstOverTime,
    Floor,
    HistogramAvg,
    HistogramCount,
    HistogramFraction,
    HistogramQuantile,
    HistogramQuantiles,
    HistogramStddev,
    HistogramStdvar,
    HistogramSum,
    Hour,
    Idelta,
    Increase,
    Info,
    Integral,
    Irate,
    LabelJoin,
    LabelReplace,
    LastOverTime,
    Ln,
    Log10,
    Log2,
    MadOverTime,
    MaxOf,
    MaxOverTime,
    MinOf,
    MinOverTime,
    Minute,
    Month,
    Pi,
    PredictLinear,
    PresentOverTime,
    QuantileOverTime,
    Rad,
    Range,
    Rate,
    Resets,
    Round,
    Scalar,
    Sgn,
    Sin,
    Sinh,
    Sort,
    SortByLabel,
    SortByLabelDesc,
    SortDesc,
    Sqrt,
    Start,
    StartTimestamp,
    StddevOverTime,
    StdvarOverTime,
    Step,
    SumOverTime,
    Tan,
    Tanh,
    Time,
    Timestamp,
    TsOfFirstOverTime,
    TsOfLastOverTime,
    TsOfMaxOverTime,
    TsOfMinOverTime,
    Vector,
    Year,
}

/// A function's signature.
#[derive(PartialEq, Eq, Debug)]
pub struct Function {
    /// Name.
    pub name: &'static str,
    /// Which.
    pub id: FunctionId,
    /// Types of the arguments.
    pub args: &'static [ValueType],
    /// How many arguments the last type may stand for beyond the others; -1 is any number, 0 is exactly what `args` says.
    pub variadic: i8,
    /// Type of the value.
    pub returns: ValueType,
    /// Behind a feature flag in Prometheus; always there here.
    pub experimental: bool,
}

const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;
const S: ValueType = ValueType::Scalar;
const T: ValueType = ValueType::String;

const fn function(
    name: &'static str,
    id: FunctionId,
    args: &'static [ValueType],
    variadic: i8,
    returns: ValueType,
    experimental: bool,
) -> Function {
    Function { name, id, args, variadic, returns, experimental }
}

/// All functions, by name.
pub static FUNCTIONS: [Function; 91] = [
    function("abs", FunctionId::Abs, &[V], 0, V, false),
    function("absent", FunctionId::Absent, &[V], 0, V, false),
    function("absent_over_time", FunctionId::AbsentOverTime, &[M], 0, V, false),
    function("acos", FunctionId::Acos, &[V], 0, V, false),
    function("acosh", FunctionId::Acosh, &[V], 0, V, false),
    function("asin", FunctionId::Asin, &[V], 0, V, false),
    function("asinh", FunctionId::Asinh, &[V], 0, V, false),
    function("atan", FunctionId::Atan, &[V], 0, V, false),
    function("atanh", FunctionId::Atanh, &[V], 0, V, false),
    function("avg_over_time", FunctionId::AvgOverTime, &[M], 0, V, false),
    function("ceil", FunctionId::Ceil, &[V], 0, V, false),
    function("changes", FunctionId::Changes, &[M], 0, V, false),
    function("clamp", FunctionId::Clamp, &[V, S, S], 0, V, false),
    function("clamp_max", FunctionId::ClampMax, &[V, S], 0, V, false),
    function("clamp_min", FunctionId::ClampMin, &[V, S], 0, V, false),
    function("cos", FunctionId::Cos, &[V], 0, V, false),
    function("cosh", FunctionId::Cosh, &[V], 0, V, false),
    function("count_over_time", FunctionId::CountOverTime, &[M], 0, V, false),
    function("day_of_month", FunctionId::DayOfMonth, &[V], 1, V, false),
    function("day_of_week", FunctionId::DayOfWeek, &[V], 1, V, false),
    function("day_of_year", FunctionId::DayOfYear, &[V], 1, V, false),
    function("days_in_month", FunctionId::DaysInMonth, &[V], 1, V, false),
    function("deg", FunctionId::Deg, &[V], 0, V, false),
    function("delta", FunctionId::Delta, &[M], 0, V, false),
    function("deriv", FunctionId::Deriv, &[M], 0, V, false),
    function("double_exponential_smoothing", FunctionId::DoubleExponentialSmoothing, &[M, S, S], 0, V, true),
    function("end", FunctionId::End, &[], 0, S, true),
    function("exp", FunctionId::Exp, &[V], 0, V, false),
    function("first_over_time", FunctionId::FirstOverTime, &[M], 0, V, false),
    function("floor", FunctionId::Floor, &[V], 0, V, false),
    function("histogram_avg", FunctionId::HistogramAvg, &[V], 0, V, false),
    function("histogram_count", FunctionId::HistogramCount, &[V], 0, V, false),
    function("histogram_fraction", FunctionId::HistogramFraction, &[S, S, V], 0, V, false),
    function("histogram_quantile", FunctionId::HistogramQuantile, &[S, V], 0, V, false),
    function("histogram_quantiles", FunctionId::HistogramQuantiles, &[V, T, S, S], 9, V, true),
    function("histogram_stddev", FunctionId::HistogramStddev, &[V], 0, V, false),
    function("histogram_stdvar", FunctionId::HistogramStdvar, &[V], 0, V, false),
    function("histogram_sum", FunctionId::HistogramSum, &[V], 0, V, false),
    function("hour", FunctionId::Hour, &[V], 1, V, false),
    function("idelta", FunctionId::Idelta, &[M], 0, V, false),
    function("increase", FunctionId::Increase, &[M], 0, V, false),
    function("info", FunctionId::Info, &[V, V], 1, V, true),
    function("integral", FunctionId::Integral, &[M, S], 1, V, true),
    function("irate", FunctionId::Irate, &[M], 0, V, false),
    function("label_join", FunctionId::LabelJoin, &[V, T, T, T], -1, V, false),
    function("label_replace", FunctionId::LabelReplace, &[V, T, T, T, T], 0, V, false),
    function("last_over_time", FunctionId::LastOverTime, &[M], 0, V, false),
    function("ln", FunctionId::Ln, &[V], 0, V, false),
    function("log10", FunctionId::Log10, &[V], 0, V, false),
    function("log2", FunctionId::Log2, &[V], 0, V, false),
    function("mad_over_time", FunctionId::MadOverTime, &[M], 0, V, true),
    function("max_of", FunctionId::MaxOf, &[S, S], 0, S, true),
    function("max_over_time", FunctionId::MaxOverTime, &[M], 0, V, false),
    function("min_of", FunctionId::MinOf, &[S, S], 0, S, true),
    function("min_over_time", FunctionId::MinOverTime, &[M], 0, V, false),
    function("minute", FunctionId::Minute, &[V], 1, V, false),
    function("month", FunctionId::Month, &[V], 1, V, false),
    function("pi", FunctionId::Pi, &[], 0, S, false),
    function("predict_linear", FunctionId::PredictLinear, &[M, S], 0, V, false),
    function("present_over_time", FunctionId::PresentOverTime, &[M], 0, V, false),
    function("quantile_over_time", FunctionId::QuantileOverTime, &[S, M], 0, V, false),
    function("rad", FunctionId::Rad, &[V], 0, V, false),
    function("range", FunctionId::Range, &[], 0, S, true),
    function("rate", FunctionId::Rate, &[M], 0, V, false),
    function("resets", FunctionId::Resets, &[M], 0, V, false),
    function("round", FunctionId::Round, &[V, S], 1, V, false),
    function("scalar", FunctionId::Scalar, &[V], 0, S, false),
    function("sgn", FunctionId::Sgn, &[V], 0, V, false),
    function("sin", FunctionId::Sin, &[V], 0, V, false),
    function("sinh", FunctionId::Sinh, &[V], 0, V, false),
    function("sort", FunctionId::Sort, &[V], 0, V, false),
    function("sort_by_label", FunctionId::SortByLabel, &[V, T], -1, V, true),
    function("sort_by_label_desc", FunctionId::SortByLabelDesc, &[V, T], -1, V, true),
    function("sort_desc", FunctionId::SortDesc, &[V], 0, V, false),
    function("sqrt", FunctionId::Sqrt, &[V], 0, V, false),
    function("start", FunctionId::Start, &[], 0, S, true),
    function("start_timestamp", FunctionId::StartTimestamp, &[V], 0, V, true),
    function("stddev_over_time", FunctionId::StddevOverTime, &[M], 0, V, false),
    function("stdvar_over_time", FunctionId::StdvarOverTime, &[M], 0, V, false),
    function("step", FunctionId::Step, &[], 0, S, true),
    function("sum_over_time", FunctionId::SumOverTime, &[M], 0, V, false),
    function("tan", FunctionId::Tan, &[V], 0, V, false),
    function("tanh", FunctionId::Tanh, &[V], 0, V, false),
    function("time", FunctionId::Time, &[], 0, S, false),
    function("timestamp", FunctionId::Timestamp, &[V], 0, V, false),
    function("ts_of_first_over_time", FunctionId::TsOfFirstOverTime, &[M], 0, V, true),
    function("ts_of_last_over_time", FunctionId::TsOfLastOverTime, &[M], 0, V, true),
    function("ts_of_max_over_time", FunctionId::TsOfMaxOverTime, &[M], 0, V, true),
    function("ts_of_min_over_time", FunctionId::TsOfMinOverTime, &[M], 0, V, true),
    function("vector", FunctionId::Vector, &[S], 0, V, false),
    function("year", FunctionId::Year, &[V], 1, V, false),
];

impl Function {
    /// The function of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|place| &FUNCTIONS[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_and_found() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(FUNCTIONS.iter().all(|function| Function::named(function.name).is_some_and(|found| found.id == function.id)));
        assert!(Function::named("nope").is_none());
    }
}
