"""Where everything lies, from the project's root on."""

from pathlib import Path

PARAMS = Path("params.yaml")
PACKAGES = Path("packages.yaml")
LOCK = Path("requirements.lock")
PIPELINES = (Path("dvc.yaml"), Path("data/dvc.yaml"), Path("baseline/dvc.yaml"))

DATA = Path("data")
RAW = DATA / "raw.txt"
IMAGENETTE = DATA / "imagenette"
SAMPLE = DATA / "sample"
PREPARED = DATA / "prepared"
PICTURES = PREPARED / "pictures.csv"
REJECTED = PREPARED / "rejected.csv"
SPLIT = DATA / "split"
INDEX = SPLIT / "index.csv"
ASKED = DATA / "asked"  # what data/prepared has of the pictures that models are asked about
POOLED = DATA / "features/pooled"
TAPPED = DATA / "features/tapped"
MANIFEST = "manifest.json"  # in each folder of features: what its files are
UNFINISHED = DATA / ".unfinished"  # what stages that were stopped had done

MODELS = Path("models")
BACKBONE = MODELS / "backbone.weights.h5"
PROBE = MODELS / "probe.npy"  # a logistic regression's kernel and, in the last row, bias
HEAD = MODELS / "head.weights.h5"
CLASSIFIER = MODELS / "classifier.keras"
LABELS = MODELS / "labels.txt"
CHECK = MODELS / "check.npy"  # what the model said of some pictures before it was saved
EXPORT = MODELS / "export"  # the classifier for other runtimes, to be carried away

METRICS = Path("metrics")
COSTS = METRICS / "costs.json"  # seconds and memory of every stage's last run
READ = METRICS / "prepare.json"  # how many pictures could be read, and how many not
COUNTS = METRICS / "split.json"
EXAMPLES = METRICS / "examples.jpg"
AUDIT = METRICS / "audit.json"
PROBE_SCORES = METRICS / "probe.json"
LISTS = METRICS / "audit"
DUPLICATES = LISTS / "duplicates.csv"
LABEL_SUSPECTS = LISTS / "labels.csv"
PICTURE_ISSUES = LISTS / "pictures.csv"
FOUND = LISTS / "pictures.zip"  # the pictures of the worst findings
EXTRACT_TRAIN = METRICS / "extract-train"
FINETUNE = METRICS / "finetune"
FINETUNE_SCORES = FINETUNE / "metrics.json"
SCORES = METRICS / "evaluate.json"
PROBABILITIES = METRICS / "probabilities.npy"  # of every test picture and class
PREDICTIONS = METRICS / "predictions.csv"
PER_CLASS = METRICS / "per_class.csv"
CALIBRATION = METRICS / "calibration"
EXPORT_SCORES = METRICS / "export.json"
THROUGHPUT = METRICS / "throughput.json"  # pictures/s of every exported model
MISTAKES = METRICS / "mistakes"
MODEL_SUMMARY = METRICS / "model.txt"
BASELINE = METRICS / "baseline"
BASELINE_SCORES = METRICS / "baseline.json"

REPORT = Path("report")
PAGE = REPORT / "page.html"
OPEN_PAGE = REPORT / "index.html"
RUNS = REPORT / "runs"  # what each stage's runs here were like; for the report alone
