"""Checks the chart, and shows what it makes of values: `chart.py check`, `chart.py render FILE [JSON of further values]`.

Run by `make lint` and by yingbin/tests/chart, with the Python of .cache/venv. No cluster is asked.
"""

import copy
import json
import shutil
import sys
import tempfile
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

HERE = Path(__file__).resolve().parent
# Helm speaks of every symbolic link that it meets; a copy has none.
UNPACKED = tempfile.TemporaryDirectory()
CHART = Path(shutil.copytree(HERE.parent, Path(UNPACKED.name) / "yingbin"))
FILES = sorted(HERE.glob("*.yaml"))
VERSIONS = ["1.30", "1.37"]  # the oldest that Chart.yaml names, the newest that kubernetes_validate knows
# Extensions of Kubernetes: their schemas are not part of it.
ELSEWHERE = {"HTTPRoute", "ScaledObject", "PodMonitor", "PrometheusRule"}


def overlaid(values, more):
    """The values, and over them others, as a second values file would be."""
    merged = copy.deepcopy(values)
    for key, value in more.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged


def render(values):
    """Every object, hooks too, as the API server would read it."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values, name="yingbin", namespace="greeter")
    documents = (document for text in files.values() for document in yaml.safe_load_all(text))
    return [document for document in documents if document]


# What somebody else knows the keys of: the services, librdkafka, Kubernetes.
OPEN = {"settings", "resources", "nodeSelector", "labels", "annotations", "kafkaProperties"}


def tables(values, path=()):
    """Every table of values whose keys are the chart's own, by the keys that lead to it."""
    yield path
    for key, value in values.items():
        if isinstance(value, dict) and key not in OPEN:
            yield from tables(value, (*path, key))


def complaints_about(file):
    values = yaml.safe_load(file.read_text())
    for message in helm.lint(CHART, values, strict=True)["messages"]:
        if message["severity"] > 1:
            yield f"{file.name}: {message['path']}: {message['error']}"
    objects = render(values)
    for thing in objects:
        for version in VERSIONS if thing["kind"] not in ELSEWHERE else ():
            try:
                kubernetes_validate.validate(thing, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = ".".join(map(str, error.path))
                yield f"{file.name}: {thing['kind']} {thing['metadata']['name']} ({version}): {where}: {error.message}"
    print(f"{file.name}: {len(objects)} objects")


def complaints_about_the_schema():
    good = yaml.safe_load(FILES[0].read_text())
    with helm.Chart.load(CHART) as chart:
        own = list(tables(chart.values))
    for path in own:
        wrong = {"misspelt": True}
        for key in reversed(path):
            wrong = {key: wrong}
        try:
            render(overlaid(good, wrong))
        except helm.HelmError as error:
            if "misspelt" in str(error):
                continue
        yield f"a key that nobody knows is taken in {'.'.join(path) or 'values'}"
    print(f"a misspelt key is refused in {len(own)} tables")


def main(command, *arguments):
    if command == "render":
        file, more = (*arguments, "{}")[:2]
        values = yaml.safe_load((HERE / file).read_text())
        print(json.dumps(render(overlaid(values, json.loads(more)))))
        return
    found = [complaint for file in FILES for complaint in complaints_about(file)]
    found += complaints_about_the_schema()
    sys.exit("\n".join(found) or 0)


main(*(sys.argv[1:] or ["check"]))
