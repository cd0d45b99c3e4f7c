#include <ostream>

#include "controller/base/json.h"
#include "controller/cli/command.h"
#include "gitsync/shape.h"

namespace nelson::cli {
namespace {

using json::Json;

Json schema_of(const Shape& shape);

/// Any single value is text to a manifest, `yes` and 1.5 too; only what editors read as text can be compared with a pattern.
Json text_schema(const Shape& shape) {
  Json out;
  if (!shape.names.empty()) return {{"enum", shape.names}};
  out["type"] = shape.bare ? Json::array({"string", "number", "boolean"}) : Json::array({"string"});
  if (!shape.pattern.empty()) out["pattern"] = shape.pattern;
  if (shape.longest) out["maxLength"] = *shape.longest;
  return out;
}

/// A number, or one in quotes or in a form of YAML 1.1 that editors take for text.
Json number_schema(const Shape& shape) {
  Json number = {{"type", shape.kind == Shape::Kind::kWhole ? "integer" : "number"}};
  if (shape.least) number["minimum"] = *shape.least;
  if (shape.most) number["maximum"] = *shape.most;
  if (shape.below) number["exclusiveMaximum"] = *shape.below;
  const std::string_view pattern = shape.kind == Shape::Kind::kWhole
                                       ? "^[-+]?(0x[0-9A-Fa-f_]+|0b[01_]+|[0-9][0-9_]*(:[0-5]?[0-9])*)$"
                                       : "^[-+]?(0x[0-9A-Fa-f_]+|0b[01_]+|[0-9][0-9_]*(:[0-5]?[0-9])*|([0-9][0-9_]*)?\\.?[0-9_]*(["
                                         "eE][-+]?[0-9]+)?|\\.inf|\\.nan)$";
  return {{"anyOf", Json::array({number, Json{{"type", "string"}, {"minLength", 1}, {"maxLength", 64}, {"pattern", pattern}}})}};
}

Json object_schema(const Shape& shape) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Shape::Entry& entry : shape.entries) {
    properties[entry.key] = schema_of(entry.shape);
    if (entry.required) required.push_back(entry.key);
  }
  // Unknown keys are a warning, which a schema has no word for.
  Json out = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) out["required"] = std::move(required);
  return out;
}

Json bare_schema(const Shape& shape) {
  switch (shape.kind) {
    case Shape::Kind::kAny:
      return Json::object();
    case Shape::Kind::kText:
      return text_schema(shape);
    case Shape::Kind::kWhole:
    case Shape::Kind::kNumber:
      return number_schema(shape);
    case Shape::Kind::kList: {
      Json out = {{"type", "array"}, {"items", schema_of(shape.parts[0])}};
      if (shape.longest) out["maxItems"] = *shape.longest;
      return out;
    }
    case Shape::Kind::kObject:
      return object_schema(shape);
    case Shape::Kind::kMapOfTexts:
      return {{"type", "object"}, {"additionalProperties", {{"type", Json::array({"string", "number", "boolean", "null"})}}}};
    case Shape::Kind::kEither: {
      Json alternatives = Json::array();
      for (const Shape& part : shape.parts) alternatives.push_back(schema_of(part));
      return {{"anyOf", std::move(alternatives)}};
    }
  }
  return Json::object();
}

/// Null is a type of its own where a schema is one of a type, and an alternative elsewhere.
Json schema_of(const Shape& shape) {
  Json out = bare_schema(shape);
  if (!shape.null) return out;
  if (out.contains("type")) {
    Json types = out["type"].is_array() ? out["type"] : Json::array({out["type"]});
    types.push_back("null");
    out["type"] = std::move(types);
  } else if (out.contains("enum")) {
    out["enum"].push_back(nullptr);
  } else if (out.contains("anyOf")) {
    out["anyOf"].push_back({{"type", "null"}});
  }
  return out;
}

}  // namespace

int run_schema(const Invocation&, Terminal& terminal) {
  Json out = {{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", "Nelson manifest (.nelson.yml)"}};
  out.update(schema_of(manifest_shape()));
  terminal.out << out.dump(2) << '\n';
  return kExitOk;
}

}  // namespace nelson::cli
