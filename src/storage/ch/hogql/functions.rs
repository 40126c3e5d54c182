//! The functions that may be called, by their names in the language and in ClickHouse. What is not here is refused.

use super::value::Ty;
use crate::sql::{Expr, ExprKind};

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// This, and null if any argument is null.
    One(Ty),
    /// This, never null.
    Always(Ty),
    /// This, or null.
    Maybe(Ty),
    /// What its first argument is.
    Same,
    /// What its last argument is.
    Last,
}

/// Where a function may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    Aggregate,
    Window,
}

/// A function that may be called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    /// Its name in the language.
    pub name: &'static str,
    /// Its name in ClickHouse.
    pub prints: &'static str,
    pub least: usize,
    pub most: usize,
    pub gives: Gives,
    pub role: Role,
    /// How many parameters it takes before its arguments.
    pub params: usize,
}

const fn plain(name: &'static str, prints: &'static str, least: usize, most: usize, gives: Gives) -> Function {
    Function { name, prints, least, most, gives, role: Role::Plain, params: 0 }
}

const fn same(name: &'static str, least: usize, most: usize, gives: Gives) -> Function {
    plain(name, name, least, most, gives)
}

const fn aggregate(name: &'static str, least: usize, most: usize, gives: Gives) -> Function {
    Function { name, prints: name, least, most, gives, role: Role::Aggregate, params: 0 }
}

const fn with_params(name: &'static str, params: usize, least: usize, most: usize, gives: Gives) -> Function {
    Function { name, prints: name, least, most, gives, role: Role::Aggregate, params }
}

const fn window(name: &'static str, prints: &'static str, least: usize, most: usize, gives: Gives) -> Function {
    Function { name, prints, least, most, gives, role: Role::Window, params: 0 }
}

use Gives::{Always, Last, Maybe, One, Same};
use Ty::{Any, Day, Flag, List, Moment, Number, Text, Uuid, Whole};

const MANY: usize = 64;

/// All of them, those that are alike together.
const FUNCTIONS: &[Function] = &[
    // Arithmetic.
    same("plus", 2, 2, Same),
    same("minus", 2, 2, Same),
    same("multiply", 2, 2, Same),
    same("divide", 2, 2, One(Number)),
    same("intDiv", 2, 2, One(Whole)),
    same("intDivOrZero", 2, 2, One(Whole)),
    same("modulo", 2, 2, Same),
    same("moduloOrZero", 2, 2, Same),
    same("positiveModulo", 2, 2, Same),
    same("negate", 1, 1, Same),
    same("abs", 1, 1, Same),
    same("gcd", 2, 2, One(Whole)),
    same("lcm", 2, 2, One(Whole)),
    same("exp", 1, 1, One(Number)),
    same("log", 1, 1, One(Number)),
    same("ln", 1, 1, One(Number)),
    same("exp2", 1, 1, One(Number)),
    same("log2", 1, 1, One(Number)),
    same("exp10", 1, 1, One(Number)),
    same("log10", 1, 1, One(Number)),
    same("log1p", 1, 1, One(Number)),
    same("sqrt", 1, 1, One(Number)),
    same("cbrt", 1, 1, One(Number)),
    same("sin", 1, 1, One(Number)),
    same("cos", 1, 1, One(Number)),
    same("tan", 1, 1, One(Number)),
    same("asin", 1, 1, One(Number)),
    same("acos", 1, 1, One(Number)),
    same("atan", 1, 1, One(Number)),
    same("atan2", 2, 2, One(Number)),
    same("pow", 2, 2, One(Number)),
    same("power", 2, 2, One(Number)),
    same("hypot", 2, 2, One(Number)),
    same("sign", 1, 1, One(Whole)),
    same("degrees", 1, 1, One(Number)),
    same("radians", 1, 1, One(Number)),
    same("pi", 0, 0, Always(Number)),
    same("e", 0, 0, Always(Number)),
    same("floor", 1, 2, Same),
    same("ceil", 1, 2, Same),
    plain("ceiling", "ceil", 1, 2, Same),
    same("trunc", 1, 2, Same),
    plain("truncate", "trunc", 1, 2, Same),
    same("round", 1, 2, Same),
    same("roundDown", 2, 2, Same),
    same("bitAnd", 2, 2, One(Whole)),
    same("bitOr", 2, 2, One(Whole)),
    same("bitXor", 2, 2, One(Whole)),
    same("bitNot", 1, 1, One(Whole)),
    same("bitShiftLeft", 2, 2, One(Whole)),
    same("bitShiftRight", 2, 2, One(Whole)),
    same("bitCount", 1, 1, One(Whole)),
    same("isFinite", 1, 1, One(Flag)),
    same("isInfinite", 1, 1, One(Flag)),
    same("isNaN", 1, 1, One(Flag)),
    same("ifNotFinite", 2, 2, Same),
    same("greatest", 1, MANY, Same),
    same("least", 1, MANY, Same),
    // Conditions and nulls.
    same("if", 3, 3, Last),
    same("multiIf", 3, MANY, Last),
    same("isNull", 1, 1, Always(Flag)),
    same("isNotNull", 1, 1, Always(Flag)),
    same("isZeroOrNull", 1, 1, Always(Flag)),
    same("ifNull", 2, 2, Last),
    same("nullIf", 2, 2, Maybe(Any)),
    same("coalesce", 1, MANY, Last),
    same("assumeNotNull", 1, 1, Always(Any)),
    same("toNullable", 1, 1, Same),
    same("and", 2, MANY, One(Flag)),
    same("or", 2, MANY, One(Flag)),
    same("xor", 2, MANY, One(Flag)),
    same("not", 1, 1, One(Flag)),
    same("equals", 2, 2, One(Flag)),
    same("notEquals", 2, 2, One(Flag)),
    same("less", 2, 2, One(Flag)),
    same("greater", 2, 2, One(Flag)),
    same("lessOrEquals", 2, 2, One(Flag)),
    same("greaterOrEquals", 2, 2, One(Flag)),
    same("like", 2, 2, One(Flag)),
    same("ilike", 2, 2, One(Flag)),
    same("notLike", 2, 2, One(Flag)),
    same("notILike", 2, 2, One(Flag)),
    same("in", 2, 2, One(Flag)),
    same("notIn", 2, 2, One(Flag)),
    same("transform", 3, 4, Maybe(Any)),
    // Types.
    same("toString", 1, 1, One(Text)),
    plain("toUUID", "toUUIDOrNull", 1, 1, Maybe(Uuid)),
    same("toInt64", 1, 1, One(Whole)),
    same("toFloat64", 1, 1, One(Number)),
    same("toUInt64", 1, 1, One(Whole)),
    same("toInt32", 1, 1, One(Whole)),
    same("toUInt32", 1, 1, One(Whole)),
    same("toUInt8", 1, 1, One(Whole)),
    same("toInt8", 1, 1, One(Whole)),
    same("toInt64OrNull", 1, 1, Maybe(Whole)),
    same("toInt64OrZero", 1, 1, One(Whole)),
    same("toFloat64OrNull", 1, 1, Maybe(Number)),
    same("toFloat64OrZero", 1, 1, One(Number)),
    plain("toFloatOrZero", "toFloat64OrZero", 1, 1, One(Number)),
    plain("toFloatOrDefault", "toFloat64OrDefault", 1, 2, One(Number)),
    plain("toIntOrZero", "toInt64OrZero", 1, 1, One(Whole)),
    same("toDecimal64", 2, 2, One(Number)),
    same("toBool", 1, 1, One(Flag)),
    same("toTypeName", 1, 1, Always(Text)),
    same("toFixedString", 2, 2, One(Text)),
    same("reinterpretAsUInt64", 1, 1, One(Whole)),
    same("hex", 1, 1, One(Text)),
    same("unhex", 1, 1, One(Text)),
    same("bin", 1, 1, One(Text)),
    same("char", 1, MANY, One(Text)),
    same("ascii", 1, 1, One(Whole)),
    // Texts.
    same("lower", 1, 1, One(Text)),
    same("upper", 1, 1, One(Text)),
    same("lowerUTF8", 1, 1, One(Text)),
    same("upperUTF8", 1, 1, One(Text)),
    plain("lcase", "lower", 1, 1, One(Text)),
    plain("ucase", "upper", 1, 1, One(Text)),
    same("length", 1, 1, One(Whole)),
    same("lengthUTF8", 1, 1, One(Whole)),
    plain("char_length", "lengthUTF8", 1, 1, One(Whole)),
    plain("character_length", "lengthUTF8", 1, 1, One(Whole)),
    same("empty", 1, 1, One(Flag)),
    same("notEmpty", 1, 1, One(Flag)),
    same("concat", 1, MANY, One(Text)),
    same("concatWithSeparator", 1, MANY, One(Text)),
    plain("concat_ws", "concatWithSeparator", 1, MANY, One(Text)),
    same("substring", 2, 3, One(Text)),
    plain("substr", "substring", 2, 3, One(Text)),
    plain("mid", "substring", 2, 3, One(Text)),
    same("substringUTF8", 2, 3, One(Text)),
    same("left", 2, 2, One(Text)),
    same("right", 2, 2, One(Text)),
    same("leftPad", 2, 3, One(Text)),
    same("rightPad", 2, 3, One(Text)),
    same("reverse", 1, 1, Same),
    same("reverseUTF8", 1, 1, One(Text)),
    plain("trim", "trimBoth", 1, 2, One(Text)),
    plain("ltrim", "trimLeft", 1, 2, One(Text)),
    plain("rtrim", "trimRight", 1, 2, One(Text)),
    same("trimLeft", 1, 2, One(Text)),
    same("trimRight", 1, 2, One(Text)),
    same("trimBoth", 1, 2, One(Text)),
    same("startsWith", 2, 2, One(Flag)),
    same("endsWith", 2, 2, One(Flag)),
    same("position", 2, 3, One(Whole)),
    same("positionCaseInsensitive", 2, 3, One(Whole)),
    same("positionUTF8", 2, 3, One(Whole)),
    same("positionCaseInsensitiveUTF8", 2, 3, One(Whole)),
    plain("locate", "position", 2, 3, One(Whole)),
    same("countSubstrings", 2, 3, One(Whole)),
    same("countSubstringsCaseInsensitive", 2, 3, One(Whole)),
    same("match", 2, 2, One(Flag)),
    same("extract", 2, 2, One(Text)),
    same("extractAll", 2, 2, One(List)),
    same("countMatches", 2, 2, One(Whole)),
    same("regexpExtract", 2, 3, One(Text)),
    same("multiSearchAnyCaseInsensitive", 2, 2, One(Flag)),
    same("multiSearchAny", 2, 2, One(Flag)),
    same("multiMatchAny", 2, 2, One(Flag)),
    same("replace", 3, 3, One(Text)),
    same("replaceAll", 3, 3, One(Text)),
    same("replaceOne", 3, 3, One(Text)),
    same("replaceRegexpAll", 3, 3, One(Text)),
    same("replaceRegexpOne", 3, 3, One(Text)),
    same("translate", 3, 3, One(Text)),
    same("format", 1, MANY, One(Text)),
    same("splitByChar", 2, 3, One(List)),
    same("splitByString", 2, 3, One(List)),
    same("splitByRegexp", 2, 3, One(List)),
    same("splitByWhitespace", 1, 2, One(List)),
    same("alphaTokens", 1, 2, One(List)),
    same("ngrams", 2, 2, One(List)),
    same("base64Encode", 1, 1, One(Text)),
    plain("base64Decode", "tryBase64Decode", 1, 1, One(Text)),
    same("tryBase64Decode", 1, 1, One(Text)),
    same("encodeURLComponent", 1, 1, One(Text)),
    same("decodeURLComponent", 1, 1, One(Text)),
    same("encodeXMLComponent", 1, 1, One(Text)),
    same("normalizeUTF8NFC", 1, 1, One(Text)),
    same("isValidUTF8", 1, 1, One(Flag)),
    same("toValidUTF8", 1, 1, One(Text)),
    same("levenshteinDistance", 2, 2, One(Whole)),
    same("formatReadableSize", 1, 1, One(Text)),
    same("formatReadableQuantity", 1, 1, One(Text)),
    same("formatReadableTimeDelta", 1, 2, One(Text)),
    // Addresses.
    same("protocol", 1, 1, One(Text)),
    same("domain", 1, 1, One(Text)),
    same("domainWithoutWWW", 1, 1, One(Text)),
    same("topLevelDomain", 1, 1, One(Text)),
    same("firstSignificantSubdomain", 1, 1, One(Text)),
    same("cutToFirstSignificantSubdomain", 1, 1, One(Text)),
    same("port", 1, 2, One(Whole)),
    same("path", 1, 1, One(Text)),
    same("pathFull", 1, 1, One(Text)),
    same("queryString", 1, 1, One(Text)),
    same("fragment", 1, 1, One(Text)),
    same("extractURLParameter", 2, 2, One(Text)),
    same("extractURLParameters", 1, 1, One(List)),
    same("extractURLParameterNames", 1, 1, One(List)),
    same("cutURLParameter", 2, 2, One(Text)),
    same("cutQueryString", 1, 1, One(Text)),
    same("cutFragment", 1, 1, One(Text)),
    same("cutQueryStringAndFragment", 1, 1, One(Text)),
    same("cutWWW", 1, 1, One(Text)),
    same("URLHierarchy", 1, 1, One(List)),
    same("URLPathHierarchy", 1, 1, One(List)),
    // Times.
    same("toYear", 1, 1, One(Whole)),
    same("toQuarter", 1, 1, One(Whole)),
    same("toMonth", 1, 1, One(Whole)),
    same("toDayOfYear", 1, 1, One(Whole)),
    same("toDayOfMonth", 1, 1, One(Whole)),
    same("toDayOfWeek", 1, 3, One(Whole)),
    same("toHour", 1, 1, One(Whole)),
    same("toMinute", 1, 1, One(Whole)),
    same("toSecond", 1, 1, One(Whole)),
    same("toUnixTimestamp", 1, 2, One(Whole)),
    same("toUnixTimestamp64Milli", 1, 1, One(Whole)),
    same("toStartOfYear", 1, 1, One(Day)),
    same("toStartOfISOYear", 1, 1, One(Day)),
    same("toStartOfQuarter", 1, 1, One(Day)),
    same("toStartOfMonth", 1, 1, One(Day)),
    same("toLastDayOfMonth", 1, 1, One(Day)),
    same("toMonday", 1, 1, One(Day)),
    same("toStartOfWeek", 1, 2, One(Day)),
    same("toLastDayOfWeek", 1, 2, One(Day)),
    same("toStartOfDay", 1, 1, One(Moment)),
    same("toStartOfHour", 1, 1, One(Moment)),
    same("toStartOfMinute", 1, 1, One(Moment)),
    same("toStartOfSecond", 1, 1, One(Moment)),
    same("toStartOfFiveMinutes", 1, 1, One(Moment)),
    same("toStartOfTenMinutes", 1, 1, One(Moment)),
    same("toStartOfFifteenMinutes", 1, 1, One(Moment)),
    same("toStartOfInterval", 2, 3, One(Moment)),
    same("toTime", 1, 1, One(Moment)),
    same("toISOYear", 1, 1, One(Whole)),
    same("toISOWeek", 1, 1, One(Whole)),
    same("toWeek", 1, 2, One(Whole)),
    same("toYearWeek", 1, 2, One(Whole)),
    same("toYYYYMM", 1, 1, One(Whole)),
    same("toYYYYMMDD", 1, 1, One(Whole)),
    same("toYYYYMMDDhhmmss", 1, 1, One(Whole)),
    same("dateDiff", 3, 3, One(Whole)),
    plain("date_diff", "dateDiff", 3, 3, One(Whole)),
    same("age", 3, 3, One(Whole)),
    same("dateAdd", 2, 3, One(Moment)),
    plain("date_add", "dateAdd", 2, 3, One(Moment)),
    same("dateSub", 2, 3, One(Moment)),
    plain("date_sub", "dateSub", 2, 3, One(Moment)),
    same("timeSlot", 1, 1, One(Moment)),
    same("addSeconds", 2, 2, Same),
    same("addMinutes", 2, 2, Same),
    same("addHours", 2, 2, Same),
    same("addDays", 2, 2, Same),
    same("addWeeks", 2, 2, Same),
    same("addMonths", 2, 2, Same),
    same("addQuarters", 2, 2, Same),
    same("addYears", 2, 2, Same),
    same("subtractSeconds", 2, 2, Same),
    same("subtractMinutes", 2, 2, Same),
    same("subtractHours", 2, 2, Same),
    same("subtractDays", 2, 2, Same),
    same("subtractWeeks", 2, 2, Same),
    same("subtractMonths", 2, 2, Same),
    same("subtractQuarters", 2, 2, Same),
    same("subtractYears", 2, 2, Same),
    same("formatDateTime", 2, 3, One(Text)),
    same("dateName", 2, 2, One(Text)),
    same("monthName", 1, 1, One(Text)),
    same("fromUnixTimestamp", 1, 2, One(Moment)),
    same("fromUnixTimestamp64Milli", 1, 2, One(Moment)),
    same("timeZoneOffset", 1, 1, One(Whole)),
    same("toIntervalSecond", 1, 1, One(Any)),
    same("toIntervalMinute", 1, 1, One(Any)),
    same("toIntervalHour", 1, 1, One(Any)),
    same("toIntervalDay", 1, 1, One(Any)),
    same("toIntervalWeek", 1, 1, One(Any)),
    same("toIntervalMonth", 1, 1, One(Any)),
    same("toIntervalQuarter", 1, 1, One(Any)),
    same("toIntervalYear", 1, 1, One(Any)),
    // Lists, tuples and maps.
    same("array", 0, MANY, Always(List)),
    same("range", 1, 3, One(List)),
    same("arrayConcat", 1, MANY, One(List)),
    same("arrayElement", 2, 2, Maybe(Any)),
    same("has", 2, 2, One(Flag)),
    same("hasAll", 2, 2, One(Flag)),
    same("hasAny", 2, 2, One(Flag)),
    same("indexOf", 2, 2, One(Whole)),
    same("arrayCount", 1, MANY, One(Whole)),
    same("countEqual", 2, 2, One(Whole)),
    same("arrayEnumerate", 1, MANY, One(List)),
    same("arrayPopBack", 1, 1, One(List)),
    same("arrayPopFront", 1, 1, One(List)),
    same("arrayPushBack", 2, 2, One(List)),
    same("arrayPushFront", 2, 2, One(List)),
    same("arraySlice", 2, 3, One(List)),
    same("arraySort", 1, MANY, One(List)),
    same("arrayReverseSort", 1, MANY, One(List)),
    same("arrayUniq", 1, MANY, One(Whole)),
    same("arrayJoin", 1, 1, Maybe(Any)),
    same("arrayDifference", 1, 1, One(List)),
    same("arrayDistinct", 1, 1, One(List)),
    same("arrayIntersect", 1, MANY, One(List)),
    same("arrayReverse", 1, 1, One(List)),
    same("arrayFlatten", 1, 1, One(List)),
    same("arrayCompact", 1, 1, One(List)),
    same("arrayZip", 1, MANY, One(List)),
    same("arrayMap", 2, MANY, One(List)),
    same("arrayFilter", 2, MANY, One(List)),
    same("arrayFill", 2, MANY, One(List)),
    same("arraySplit", 2, MANY, One(List)),
    same("arrayExists", 1, MANY, One(Flag)),
    same("arrayAll", 1, MANY, One(Flag)),
    same("arrayFirst", 2, MANY, Maybe(Any)),
    same("arrayLast", 2, MANY, Maybe(Any)),
    same("arrayFirstIndex", 2, MANY, One(Whole)),
    same("arrayLastIndex", 2, MANY, One(Whole)),
    same("arrayMin", 1, MANY, Maybe(Any)),
    same("arrayMax", 1, MANY, Maybe(Any)),
    same("arraySum", 1, MANY, One(Number)),
    same("arrayAvg", 1, MANY, One(Number)),
    same("arrayCumSum", 1, MANY, One(List)),
    same("arrayProduct", 1, 1, One(Number)),
    same("arrayStringConcat", 1, 2, One(Text)),
    same("tuple", 0, MANY, Always(Ty::Tuple)),
    same("tupleElement", 2, 3, Maybe(Any)),
    same("untuple", 1, 1, Maybe(Any)),
    same("map", 0, MANY, Always(Any)),
    same("mapKeys", 1, 1, One(List)),
    same("mapValues", 1, 1, One(List)),
    same("mapContains", 2, 2, One(Flag)),
    // JSON.
    same("isValidJSON", 1, 1, One(Flag)),
    same("JSONHas", 1, MANY, One(Flag)),
    same("JSONLength", 1, MANY, One(Whole)),
    same("JSONType", 1, MANY, One(Text)),
    same("JSONExtract", 2, MANY, Maybe(Any)),
    same("JSONExtractUInt", 1, MANY, One(Whole)),
    same("JSONExtractInt", 1, MANY, One(Whole)),
    same("JSONExtractFloat", 1, MANY, One(Number)),
    same("JSONExtractBool", 1, MANY, One(Flag)),
    same("JSONExtractString", 1, MANY, One(Text)),
    same("JSONExtractKeys", 1, MANY, One(List)),
    same("JSONExtractRaw", 1, MANY, One(Text)),
    same("JSONExtractArrayRaw", 1, MANY, One(List)),
    same("JSONExtractKeysAndValues", 2, MANY, One(List)),
    same("JSONExtractKeysAndValuesRaw", 1, MANY, One(List)),
    same("toJSONString", 1, 1, One(Text)),
    // Hashes and others.
    same("cityHash64", 1, MANY, One(Whole)),
    same("sipHash64", 1, MANY, One(Whole)),
    same("xxHash64", 1, MANY, One(Whole)),
    same("murmurHash3_64", 1, MANY, One(Whole)),
    same("MD5", 1, 1, One(Text)),
    same("SHA1", 1, 1, One(Text)),
    same("SHA256", 1, 1, One(Text)),
    same("generateUUIDv4", 0, 0, Always(Uuid)),
    same("rand", 0, 1, Always(Whole)),
    same("tumble", 2, 3, Maybe(Any)),
    same("UUIDv7ToDateTime", 1, 2, Maybe(Moment)),
    same("UUIDStringToNum", 1, 1, One(Text)),
    same("geohashEncode", 2, 3, One(Text)),
    same("widthBucket", 4, 4, One(Whole)),
    // Aggregates.
    aggregate("count", 0, 1, Always(Whole)),
    aggregate("countIf", 1, 2, Always(Whole)),
    aggregate("countDistinct", 1, 1, Always(Whole)),
    aggregate("countDistinctIf", 2, 2, Always(Whole)),
    aggregate("min", 1, 1, Same),
    aggregate("minIf", 2, 2, Same),
    aggregate("max", 1, 1, Same),
    aggregate("maxIf", 2, 2, Same),
    aggregate("sum", 1, 1, Same),
    aggregate("sumIf", 2, 2, Same),
    aggregate("avg", 1, 1, Maybe(Number)),
    aggregate("avgIf", 2, 2, Maybe(Number)),
    aggregate("any", 1, 1, Same),
    aggregate("anyIf", 2, 2, Same),
    aggregate("anyLast", 1, 1, Same),
    aggregate("anyLastIf", 2, 2, Same),
    aggregate("anyHeavy", 1, 1, Same),
    aggregate("first_value", 1, 1, Same),
    aggregate("last_value", 1, 1, Same),
    aggregate("argMin", 2, 2, Same),
    aggregate("argMinIf", 3, 3, Same),
    aggregate("argMax", 2, 2, Same),
    aggregate("argMaxIf", 3, 3, Same),
    aggregate("median", 1, 1, Maybe(Number)),
    aggregate("medianIf", 2, 2, Maybe(Number)),
    aggregate("stddevPop", 1, 1, Maybe(Number)),
    aggregate("stddevPopIf", 2, 2, Maybe(Number)),
    aggregate("stddevSamp", 1, 1, Maybe(Number)),
    aggregate("stddevSampIf", 2, 2, Maybe(Number)),
    aggregate("varPop", 1, 1, Maybe(Number)),
    aggregate("varSamp", 1, 1, Maybe(Number)),
    aggregate("covarPop", 2, 2, Maybe(Number)),
    aggregate("covarSamp", 2, 2, Maybe(Number)),
    aggregate("corr", 2, 2, Maybe(Number)),
    aggregate("avgWeighted", 2, 2, Maybe(Number)),
    aggregate("skewPop", 1, 1, Maybe(Number)),
    aggregate("kurtPop", 1, 1, Maybe(Number)),
    aggregate("uniq", 1, MANY, Always(Whole)),
    aggregate("uniqIf", 2, MANY, Always(Whole)),
    aggregate("uniqExact", 1, MANY, Always(Whole)),
    aggregate("uniqExactIf", 2, MANY, Always(Whole)),
    aggregate("uniqHLL12", 1, MANY, Always(Whole)),
    aggregate("uniqCombined", 1, MANY, Always(Whole)),
    with_params("groupArray", 1, 1, 1, Always(List)),
    with_params("groupArrayIf", 1, 2, 2, Always(List)),
    with_params("groupUniqArray", 1, 1, 1, Always(List)),
    with_params("groupUniqArrayIf", 1, 2, 2, Always(List)),
    aggregate("groupArrayArray", 1, 1, Always(List)),
    aggregate("groupUniqArrayArray", 1, 1, Always(List)),
    aggregate("sumMap", 1, MANY, Always(Any)),
    aggregate("minMap", 1, MANY, Always(Any)),
    aggregate("maxMap", 1, MANY, Always(Any)),
    aggregate("groupBitAnd", 1, 1, One(Whole)),
    aggregate("groupBitOr", 1, 1, One(Whole)),
    aggregate("groupBitXor", 1, 1, One(Whole)),
    with_params("topK", 1, 1, 1, Always(List)),
    with_params("quantile", 1, 1, 1, Maybe(Number)),
    with_params("quantileIf", 1, 2, 2, Maybe(Number)),
    with_params("quantileExact", 1, 1, 1, Maybe(Number)),
    with_params("quantiles", 16, 1, 1, Maybe(List)),
    with_params("quantilesIf", 16, 2, 2, Maybe(List)),
    with_params("windowFunnel", 2, 2, MANY, Always(Whole)),
    with_params("sequenceMatch", 1, 2, MANY, Always(Flag)),
    with_params("sequenceCount", 1, 2, MANY, Always(Whole)),
    aggregate("retention", 1, 32, Always(List)),
    aggregate("entropy", 1, 1, Maybe(Number)),
    aggregate("simpleLinearRegression", 2, 2, Maybe(Ty::Tuple)),
    // Windows.
    window("row_number", "row_number", 0, 0, Always(Whole)),
    window("rank", "rank", 0, 0, Always(Whole)),
    window("dense_rank", "dense_rank", 0, 0, Always(Whole)),
    window("ntile", "ntile", 1, 1, Always(Whole)),
    window("percent_rank", "percent_rank", 0, 0, Always(Number)),
    window("nth_value", "nth_value", 2, 2, Maybe(Any)),
    window("lag", "lagInFrame", 1, 3, Maybe(Any)),
    window("lead", "leadInFrame", 1, 3, Maybe(Any)),
    window("lagInFrame", "lagInFrame", 1, 3, Maybe(Any)),
    window("leadInFrame", "leadInFrame", 1, 3, Maybe(Any)),
];

/// Finds a function by its name, whatever the case of its letters; an exact match first.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    let exact = FUNCTIONS.iter().find(|function| function.name == name);
    exact.or_else(|| FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name)))
}

/// Whether a value needs rows put together: whether it holds an aggregate, not counting questions inside.
#[must_use]
pub fn has_aggregate(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { name, args, over, .. } => {
            over.is_none() && find(name).is_some_and(|function| function.role == Role::Aggregate)
                || args.iter().any(has_aggregate)
        }
        ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Array(items) | ExprKind::Tuple(items) => {
            items.iter().any(has_aggregate)
        }
        ExprKind::Negate(a) | ExprKind::Not(a) | ExprKind::Step(a, _) | ExprKind::Cast(a, _) => has_aggregate(a),
        ExprKind::IsNull { of: a, .. } | ExprKind::Lambda { body: a, .. } => has_aggregate(a),
        ExprKind::Arithmetic(_, a, b)
        | ExprKind::Compare(_, a, b)
        | ExprKind::Coalesce(a, b)
        | ExprKind::Index(a, b) => has_aggregate(a) || has_aggregate(b),
        ExprKind::Between { of: a, low: b, high: c, .. } | ExprKind::If(a, b, c) => {
            has_aggregate(a) || has_aggregate(b) || has_aggregate(c)
        }
        ExprKind::Literal(_)
        | ExprKind::Field(_)
        | ExprKind::Star(_)
        | ExprKind::Query(_)
        | ExprKind::Placeholder(_) => false,
    }
}

/// A function whose name looks like one that was written; for who mistyped it.
pub(super) fn similar(name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_lowercase();
    let near = |function: &&Function| {
        let known = function.name.to_ascii_lowercase();
        wanted.len() > 2 && (known.starts_with(&wanted) || wanted.starts_with(&known) && known.len() > 3)
    };
    let distance = |function: &&Function| function.name.len().abs_diff(name.len());
    FUNCTIONS.iter().filter(near).min_by_key(distance).map(|function| function.name)
}

/// How many there are, and their ClickHouse names; for tests.
#[cfg(test)]
pub(super) fn all() -> &'static [Function] {
    FUNCTIONS
}
