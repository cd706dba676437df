"""One engine as a process: `engines.py ENGINE MODEL_DIR THREADS BATCH DTYPE` prints "ready", then answers each line "run SECONDS" with {"times_ms": [...]}.

Each engine gets its best settings for f32, bf16 or int8 (of the ONNX model that ONNX Runtime quantised). "logits FILE" writes the logits of the common input.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np


def onnx_file(path, batch, dtype):
    return str(path / f"model_b{batch}{'_int8' if dtype == 'int8' else ''}.onnx")


def onnxruntime_engine(path, threads, batch, dtype):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(onnx_file(path, batch, dtype), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"input": x})[0]


def openvino_engine(path, threads, batch, dtype, rest="f32"):
    import openvino as ov
    core = ov.Core()
    settings = {"PERFORMANCE_HINT": "LATENCY" if batch == 1 else "THROUGHPUT", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "bf16" if dtype == "bf16" else rest,
                "NUM_STREAMS": 1}
    request = core.compile_model(core.read_model(onnx_file(path, batch, dtype)), "CPU", settings).create_infer_request()
    return lambda x: request.infer({0: x}, share_inputs=True)[0]


def openvino_bf16_engine(path, threads, batch, dtype):
    """int8 where the model says so, bf16 elsewhere."""
    return openvino_engine(path, threads, batch, dtype, "bf16")


def ncnn_engine(path, threads, batch, dtype):
    import ncnn
    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = threads, False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    net.load_param(str(path / "model.ncnn.param"))
    net.load_model(str(path / "model.ncnn.bin"))

    def run(x):
        out = []
        for image in x:  # ncnn has no batches
            extractor = net.create_extractor()
            extractor.input("in0", ncnn.Mat(image))
            out.append(np.array(extractor.extract("out0")[1]))
        return np.stack(out)
    return run


def torch_engine(path, threads, batch, dtype):
    import timm
    import torch
    from safetensors.torch import load_file
    torch.set_num_threads(threads)
    model = timm.create_model((path / "timm_name").read_text()).eval()
    model.load_state_dict(load_file(path / "model.safetensors"))
    kind = torch.bfloat16 if dtype == "bf16" else torch.float32
    model = model.to(memory_format=torch.channels_last, dtype=kind)
    model = torch.jit.optimize_for_inference(torch.jit.trace(model, torch.zeros(batch, 3, 224, 224, dtype=kind)))
    # The input is converted on each run, as the others do with theirs.
    with torch.inference_mode():
        return lambda x: model(torch.from_numpy(x).to(memory_format=torch.channels_last, dtype=kind)).float().numpy()


ENGINES = {"onnxruntime": onnxruntime_engine, "openvino": openvino_engine, "openvino_bf16": openvino_bf16_engine, "ncnn": ncnn_engine, "pytorch": torch_engine}


def main():
    engine, path, threads, batch, dtype = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    run = ENGINES[engine](path, threads, batch, dtype)
    x = np.repeat(np.load(path / "input.npy"), batch, axis=0)
    for _ in range(3):
        y = run(x)
    print("ready", flush=True)
    for line in sys.stdin:
        word, argument = line.split()
        if word == "logits":
            np.save(argument, y[:1].astype(np.float32))
            print("{}", flush=True)
            continue
        times, end = [], time.perf_counter() + float(argument)
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            run(x)
            times.append(1e3 * (time.perf_counter() - start))
        print(json.dumps({"times_ms": times}), flush=True)


if __name__ == "__main__":
    main()
