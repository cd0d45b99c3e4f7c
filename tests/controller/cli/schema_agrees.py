"""Asks Debian's python3-jsonschema whether a schema and a lint report agree on manifests, place by place.

schema_agrees.py SCHEMA LINT_JSON EXCEPTIONS MANIFEST...

Every error of the schema must be an error of the report in the same line, and every error of the report an error of the schema,
unless EXCEPTIONS ("CODE | part of the message | why a schema cannot say it" a line) says why not. Exit 0 they agree, 1 they do not.
"""

import json
import sys

import jsonschema
import yaml


class Places:
    """A document as plain values, with the lines of each path."""

    def __init__(self, text):
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        self.loader = loader
        self.lines = {}
        self.value = self.build(node, (), 1)

    def build(self, node, path, key_line):
        if node is None:
            return None
        self.lines.setdefault(path, set()).update({node.start_mark.line + 1, key_line})
        if isinstance(node, yaml.MappingNode):
            self.loader.flatten_mapping(node)
            return {
                key.value: self.build(value, path + (key.value,), key.start_mark.line + 1) for key, value in node.value
            }
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, path + (i,), item.start_mark.line + 1) for i, item in enumerate(node.value)]
        value = self.loader.construct_object(node)
        return value if isinstance(value, (str, int, float, bool, type(None))) else node.value


def all_errors(error):
    yield error
    for below in error.context:
        yield from all_errors(below)


def read_exceptions(path):
    out = []
    for line in open(path, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            code, part, why = (word.strip() for word in line.split("|"))
            assert why, line
            out.append([code, part, 0])
    return out


def main():
    schema_path, lint_path, exceptions_path, *manifests = sys.argv[1:]
    schema = json.load(open(schema_path, encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    exceptions = read_exceptions(exceptions_path)
    report = {}
    for problem in json.load(open(lint_path, encoding="utf-8"))["problems"]:
        if problem["severity"] == "error":
            report.setdefault(problem["file"], []).append(problem)
    trouble = []
    compared = agreed = excepted = 0
    for path in manifests:
        problems = report.get(path, [])
        try:
            places = Places(open(path, encoding="utf-8").read())
        except (yaml.YAMLError, UnicodeDecodeError):
            if not problems:
                trouble.append(f"{path}: another parser refuses it, lint does not")
            continue
        compared += 1
        seen = []
        for error in validator.iter_errors(places.value):
            lines = places.lines.get(tuple(error.absolute_path), {1})
            if not any(problem["line"] in lines for problem in problems):
                trouble.append(f"{path}:{min(lines)}: only the schema says: {error.message[:200]}")
            for one in all_errors(error):
                seen.append(places.lines.get(tuple(one.absolute_path), {1}))
        for problem in problems:
            if any(problem["line"] in lines for lines in seen):
                agreed += 1
                continue
            for exception in exceptions:
                if exception[0] == problem["code"] and exception[1] in problem["message"]:
                    exception[2] += 1
                    excepted += 1
                    break
            else:
                trouble.append(f"{path}:{problem['line']}: only lint says {problem['code']}: {problem['message']}")
    for code, part, used in exceptions:
        if not used:
            trouble.append(f"exception that excuses nothing: {code} | {part}")
    print("\n".join(trouble))
    print(f"{compared} manifests, {agreed} errors in both, {excepted} that a schema cannot say, {len(trouble)} disagreements")
    sys.exit(1 if trouble else 0)


main()
