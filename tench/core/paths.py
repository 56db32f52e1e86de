"""Paths of all files, relative to the project's root."""

from pathlib import Path

PARAMS = Path("params.yaml")
PACKAGES = Path("packages.yaml")
REQUIREMENTS_LOCK = Path("requirements.lock")
PIPELINES = (Path("dvc.yaml"), Path("data/dvc.yaml"), Path("baseline/dvc.yaml"))

DATA = Path("data")
RAW = DATA / "raw.txt"
IMAGENETTE = DATA / "imagenette"
SAMPLE = DATA / "sample"
PREPARED = DATA / "prepared"
PREPARED_INDEX = PREPARED / "images.csv"
REJECTED = PREPARED / "rejected.csv"
SPLIT = DATA / "split"
INDEX = SPLIT / "index.csv"
EVAL_SUBSET = DATA / "eval_subset"  # the prepared images that evaluate and export need
POOLED_FEATURES = DATA / "features/pooled"
CACHED_FEATURES = DATA / "features/activations"
MANIFEST = "manifest.json"  # in each folder of features: lists its files
RESUME_DIR = DATA / ".unfinished"  # checkpoints of interrupted stages

MODELS_DIR = Path("models")
BACKBONE = MODELS_DIR / "backbone.weights.h5"
PROBE = MODELS_DIR / "probe.npy"  # linear probe: kernel, and bias in the last row
HEAD = MODELS_DIR / "head.weights.h5"
CLASSIFIER = MODELS_DIR / "classifier.keras"
LABELS = MODELS_DIR / "labels.txt"
CHECK_PROBABILITIES = MODELS_DIR / "check.npy"  # predictions before the model was saved
EXPORT = MODELS_DIR / "export"  # the classifier for other runtimes

METRICS = Path("metrics")
COSTS = METRICS / "costs.json"  # seconds and peak memory of each stage's last run
PREPARE_METRICS = METRICS / "prepare.json"  # number of prepared and rejected images
SPLIT_METRICS = METRICS / "split.json"
EXAMPLES = METRICS / "examples.jpg"
AUDIT_METRICS = METRICS / "audit.json"
PROBE_SCORES = METRICS / "probe.json"
AUDIT_DIR = METRICS / "audit"
DUPLICATES = AUDIT_DIR / "duplicates.csv"
LABEL_SUSPECTS = AUDIT_DIR / "labels.csv"
IMAGE_ISSUES = AUDIT_DIR / "images.csv"
AUDIT_IMAGES = AUDIT_DIR / "images.zip"  # images of the worst findings
EXTRACT_TRAIN = METRICS / "extract-train"
FINETUNE = METRICS / "finetune"
FINETUNE_SCORES = FINETUNE / "metrics.json"
SCORES = METRICS / "evaluate.json"
PROBABILITIES = METRICS / "probabilities.npy"  # (test images, classes)
PREDICTIONS = METRICS / "predictions.csv"
PER_CLASS = METRICS / "per_class.csv"
CALIBRATION = METRICS / "calibration"
EXPORT_SCORES = METRICS / "export.json"
THROUGHPUT = METRICS / "throughput.json"  # images/s of each exported model
MISTAKES = METRICS / "mistakes"
MODEL_SUMMARY = METRICS / "model.txt"
BASELINE = METRICS / "baseline"
BASELINE_SCORES = METRICS / "baseline.json"

REPORT = Path("report")
REPORT_PAGE = REPORT / "page.html"
REPORT_INDEX = REPORT / "index.html"
RUN_RECORDS = REPORT / "runs"  # records of stage runs, for the report only
