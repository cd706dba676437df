"""Times regnet beside other engines, in turns, in one run: `compare.py --regnet COMMAND [--models ...] [--dtype f32] [--threads 1 2] [--batch 1 32] --out DIR`.

The networks are timm's with random weights (their statistics set to those of a real run), exported once to DIR/models. All engines must give the same logits before
anything is timed. In each round each engine runs for a time while all others are stopped (SIGSTOP); a round also records how long a cache line takes from one core to
the other and what other processes used, and the ratios are of rounds alone: engine against engine in the same round. Writes table.md, results.json and plot.svg.
"""

import argparse
import json
import math
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
MODELS = {"regnetx_002": ("regnetx_200mf", 68.912), "regnetx_004": ("regnetx_400mf", 72.618), "regnetx_006": ("regnetx_600mf", 74.136),
          "regnetx_008": ("regnetx_800mf", 75.154), "regnetx_016": ("regnetx_1.6gf", 76.962), "regnetx_032": ("regnetx_3.2gf", 78.264),
          "regnetx_040": ("regnetx_4.0gf", 78.644), "regnetx_064": ("regnetx_6.4gf", 79.156), "regnetx_080": ("regnetx_8.0gf", 79.272),
          "regnetx_120": ("regnetx_12gf", 79.712), "regnetx_160": ("regnetx_16gf", 80.044), "regnetx_320": ("regnetx_32gf", 80.502)}

PEERS = {"f32": ["onnxruntime", "openvino", "ncnn", "pytorch"], "bf16": ["openvino", "pytorch"], "int8": ["onnxruntime", "openvino", "openvino_bf16"]}


def export(name: str, folder: Path, batches: list[int]) -> None:
    """Weights, one ONNX file for each batch size, and ncnn's form of the first."""
    import timm
    import torch
    from safetensors.torch import save_file
    if all((folder / f"model_b{b}.onnx").exists() for b in batches) and (folder / "model.ncnn.param").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = timm.create_model(name)
    with torch.no_grad():  # statistics of an own forward pass, so that activations stay of about unit scale
        model.train()
        for _ in range(2):
            model(torch.randn(8, 3, 224, 224))
    model.eval()
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "timm_name").write_text(name)
    x = torch.randn(1, 3, 224, 224)
    np.save(folder / "input.npy", x.numpy())
    with torch.inference_mode():
        np.save(folder / "logits.npy", model.double()(x.double()).float().numpy())
    model.float()
    for batch in batches:
        torch.onnx.export(model, torch.zeros(batch, 3, 224, 224), str(folder / f"model_b{batch}.onnx"), input_names=["input"], output_names=["logits"],
                          opset_version=17, dynamo=False)
    traced = folder / "model.pt"
    torch.jit.trace(model, x).save(str(traced))
    subprocess.run([str(Path(sys.executable).parent / "pnnx"), traced.name, "inputshape=[1,3,224,224]", "fp16=0"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def quantise(folder: Path, batches: list[int], regnet: str, reduce_range: bool) -> None:
    """The ONNX files in ONNX Runtime's form for int8 (QDQ, u8 activations, s8 weights by channel), and regnet's checkpoint, both calibrated on the same few images and, if asked for, with
    weights of reduced range, as both need where a CPU has no VNNI (regnet for speed, ONNX Runtime for results that are right)."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    rng = np.random.default_rng(0)
    images = np.concatenate([np.load(folder / "input.npy"), rng.standard_normal((7, 3, 224, 224), dtype=np.float32)])
    np.save(folder / "calibration.npy", images)

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [{"input": x[None]} for x in images]

        def get_next(self):
            return self.left.pop() if self.left else None

    single = folder / f"int8{'_reduced' if reduce_range else ''}.onnx"
    if not single.exists():
        quant_pre_process(folder / "model_b1.onnx", folder / "prepared.onnx")
        quantize_static(folder / "prepared.onnx", single, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8, reduce_range=reduce_range)
    for batch in batches:
        model = onnx.load(single)
        for value in (model.graph.input[0], model.graph.output[0]):
            value.type.tensor_type.shape.dim[0].dim_value = batch
        del model.graph.value_info[:]
        onnx.save(model, folder / f"model_b{batch}_int8.onnx")
    subprocess.run([regnet, "quantize", "-q", "--force", "--weights", folder / "model.safetensors", "--data", folder / "calibration.npy",
                    folder / "int8.safetensors", *(["--reduce-range"] if reduce_range else [])],
                   check=True, stdout=subprocess.DEVNULL)


class Engine:
    """A process that waits stopped until it is its turn."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{command[:3]} did not start")
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, line: str) -> dict:
        """Sends a line and returns the answer."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def close(self) -> None:
        """Ends the process."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


def busy() -> float:
    """Processor seconds of all processes."""
    fields = [float(x) for x in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / os.sysconf("SC_CLK_TCK")


def spent(process: subprocess.Popen) -> float:
    """Processor seconds of one process and its threads."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (float(fields[11]) + float(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, arguments: argparse.Namespace, threads: int, batch: int) -> dict:
    """All engines on one network, in turns."""
    folder = arguments.out / "models" / name
    export(name, folder, sorted({1, *arguments.batch}) if arguments.dtype == "int8" else arguments.batch)
    dtype, weights = arguments.dtype, str(folder / ("int8.safetensors" if arguments.dtype == "int8" else "model.safetensors"))
    if dtype == "int8":
        quantise(folder, arguments.batch, arguments.regnet, arguments.reduce_range)
    commands = {"regnet": [arguments.regnet, "bench", "-q", "--interactive", "--weights", weights, "-b", str(batch), "-t", str(threads), "--dtype", dtype]}
    if dtype != "f32":  # by itself, beside its own f32
        commands["regnet_f32"] = [*commands["regnet"][:-1], "f32"]
    for engine in arguments.engines:
        commands[engine] = [sys.executable, str(HERE / "engines.py"), engine, str(folder), str(threads), str(batch), dtype]
    engines, errors = {}, {}
    expected = np.load(folder / "logits.npy")
    for engine, command in commands.items():
        engines[engine] = Engine(command)
        if engine.startswith("regnet"):
            found = folder / "regnet.npy"
            subprocess.run([arguments.regnet, "predict", "-q", "--weights", weights, "--dtype", command[-1], "--logits", str(found), str(folder / "input.npy")],
                           check=True, stdout=subprocess.DEVNULL)
        else:
            found = folder / f"{engine}.npy"
            engines[engine].ask(f"logits {found}")
        logits = np.load(found)
        errors[engine] = float(np.abs(logits - expected).max() / expected.std())
        if dtype == "f32" and errors[engine] > 1e-3:
            raise RuntimeError(f"{name}: {engine}'s logits differ by {errors[engine]} of their standard deviation")
        # Random networks amplify what is rounded: of fewer bits only the direction can be judged.
        cosine = float((logits * expected).sum() / np.linalg.norm(logits) / np.linalg.norm(expected))
        if cosine < {"f32": 0.9999, "bf16": 0.99, "int8": 0.9}[dtype]:
            raise RuntimeError(f"{name}: {engine}'s logits have a cosine of {cosine} with those of f32")
        errors[engine] = errors[engine] if dtype == "f32" else 1 - cosine
    rounds = []
    order = list(engines)
    for index in range(arguments.rounds):
        row = {"handover_ns": engines["regnet"].ask("handover 0.02")["handover_ns"]}
        for engine in order[index % len(order):] + order[:index % len(order)]:
            before, own, start = busy(), spent(engines[engine].process), time.perf_counter()
            times = engines[engine].ask(f"run {arguments.seconds}")["times_ms"]
            foreign = (busy() - before - (spent(engines[engine].process) - own)) / (time.perf_counter() - start)
            row[engine] = {"median_ms": statistics.median(times), "min_ms": min(times), "runs": len(times), "foreign_cores": foreign}
        rounds.append(row)
    for engine in engines.values():
        engine.close()
    summary = {engine: {"ms": statistics.median(r[engine]["median_ms"] for r in rounds), "best_ms": min(r[engine]["median_ms"] for r in rounds), "error": errors[engine]}
               for engine in engines}
    peers = [engine for engine in engines if not engine.startswith("regnet")]
    best = min(peers, key=lambda engine: summary[engine]["ms"])
    ratio = statistics.median(min(r[engine]["median_ms"] for engine in peers) / r["regnet"]["median_ms"] for r in rounds)
    model, top1 = MODELS[name]
    result = {"model": model, "top1": top1, "dtype": dtype, "threads": threads, "batch": batch, "engines": summary, "best_peer": best, "ratio": ratio,
              "handover_ns": [r["handover_ns"] for r in rounds], "rounds": rounds}
    if dtype != "f32":
        result["over_f32"] = statistics.median(r["regnet_f32"]["median_ms"] / r["regnet"]["median_ms"] for r in rounds)
    print(f"{model} {dtype} threads {threads} batch {batch}: " + ", ".join(f"{e} {v['ms']:.2f}" for e, v in summary.items()) + f" ms; {ratio:.3f} x the best peer"
          + (f", {result['over_f32']:.3f} x f32" if dtype != "f32" else ""), flush=True)
    return result


def table(results: list[dict], provenance: dict) -> str:
    """The Markdown table."""
    engines = list(results[0]["engines"])
    lines = ["| Model | Threads | Batch | " + " | ".join(engines) + " | Best peer / regnet |", "|---|---:|---:|" + "---:|" * (len(engines) + 1)]
    if results[0]["dtype"] != "f32":
        lines = [lines[0] + " f32 / regnet |", lines[1] + "---:|"]
    for r in results:
        lines.append(f"| {r['model']} | {r['threads']} | {r['batch']} | " + " | ".join(f"{r['engines'][e]['ms']:.2f}" for e in engines) + f" | {r['ratio']:.3f} |" + (f" {r['over_f32']:.3f} |" if "over_f32" in r else ""))
    lines.append("")
    for threads in sorted({r["threads"] for r in results}):
        for batch in sorted({r["batch"] for r in results}):
            ratios = [r["ratio"] for r in results if r["threads"] == threads and r["batch"] == batch]
            if ratios:
                mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
                lines.append(f"{threads} threads, batch {batch}: geometric mean {mean:.3f}, least {min(ratios):.3f}, over {len(ratios)} networks.")
                over = [r["over_f32"] for r in results if r["threads"] == threads and r["batch"] == batch and "over_f32" in r]
                if over:
                    lines.append(f"Over regnet's own f32: geometric mean {math.exp(sum(map(math.log, over)) / len(over)):.3f}, least {min(over):.3f}.")
    lines += ["", "Medians over rounds in milliseconds; the ratio is the median over rounds of the best peer of the round to regnet. "
              + ", ".join(f"{k} {v}" for k, v in provenance.items()) + "."]
    return "\n".join(lines) + "\n"


def plot(results: list[dict], path: Path) -> None:
    """Latency against published top-1."""
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    threads = max(r["threads"] for r in results)
    rows = [r for r in results if r["batch"] == 1 and r["threads"] == threads]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(8, 5))
    for engine in rows[0]["engines"]:
        axes.plot([r["engines"][engine]["ms"] for r in rows], [r["top1"] for r in rows], marker="o", linewidth=2.5 if engine == "regnet" else 1.2, label=engine)
    axes.set_xscale("log")
    axes.set_xlabel(f"latency, ms, {rows[0]['dtype']}, batch 1, {threads} threads")
    axes.set_ylabel("published ImageNet top-1 (pycls), percent")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Parses the command line and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regnet", required=True, help="the command")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--dtype", default="f32", choices=PEERS)
    parser.add_argument("--engines", nargs="*", help="by default all that have the dtype")
    parser.add_argument("--threads", nargs="+", type=int, default=[2])
    parser.add_argument("--batch", nargs="+", type=int, default=[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each engine in each round")
    parser.add_argument("--reduce-range", action="store_true", help="int8 with weights of 7 bits, in all engines")
    parser.add_argument("--busy", action="store_true", help="beside a process that keeps the last core busy")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.engines = arguments.engines or PEERS[arguments.dtype]
    versions = {}
    for package in ("onnxruntime", "openvino", "ncnn", "torch"):
        versions[package] = __import__("importlib.metadata", fromlist=["version"]).version(package)
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.processor())
    regnet = subprocess.run([arguments.regnet, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()
    provenance = {"cpu": cpu, "regnet": regnet[0].removeprefix("regnet "), "date": time.strftime("%Y-%m-%d"), **versions,
                  "command": f"compare.py --dtype {arguments.dtype} --threads {' '.join(map(str, arguments.threads))} --batch {' '.join(map(str, arguments.batch))} "
                             f"--rounds {arguments.rounds} --seconds {arguments.seconds}"}
    results = []
    competitor = None
    if arguments.busy:
        last = max(os.sched_getaffinity(0))
        competitor = subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{last}])\nwhile True: pass"])
        provenance["beside"] = f"a process that keeps core {last} busy"
    for name in arguments.models:
        for threads in arguments.threads:
            for batch in arguments.batch:
                results.append(measure(name, arguments, threads, batch))
                (arguments.out / "results.json").write_text(json.dumps({"provenance": provenance, "results": results}, indent=1) + "\n")
                (arguments.out / "table.md").write_text(table(results, provenance))
    if competitor:
        competitor.kill()
    plot(results, arguments.out / "plot.svg")


if __name__ == "__main__":
    main()
