#!/usr/bin/python3
"""Trains the digit classifier and writes model.onnx, images.bin and test_data_set_0 beside this file.

The data are the 1,797 handwritten digits (8x8, 17 grey levels) inside Debian's python3-sklearn; every fifth image is
held out. Run once: what it writes is committed, and nothing else needs Python. Needs python3-sklearn, python3-torch,
python3-onnx and /usr/bin/python3. The seed is fixed; on one machine two runs write the same files.
"""
import pathlib

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from torch import nn

SEED, EPOCHS, BATCH, HELD_OUT_EVERY, TEST_IMAGES = 1, 80, 64, 5, 16
HERE = pathlib.Path(__file__).resolve().parent


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24)
        self.conv2, self.norm2 = nn.Conv2d(24, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.conv3, self.norm3 = nn.Conv2d(32, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48)
        self.dense = nn.Linear(48, 10)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = torch.relu(self.norm1(self.conv1(x)))
        x = nn.functional.max_pool2d(torch.relu(self.norm2(self.conv2(x))), 2)
        x = torch.relu(self.norm3(self.conv3(x))).mean(dim=(2, 3))
        return torch.softmax(self.dense(self.drop(x)), dim=1)


def jitter(images):
    """Every image moved by up to one pixel, as people's hands do."""
    moved = nn.functional.pad(images, (1, 1, 1, 1))
    return torch.stack([moved[i, :, y:y + 8, x:x + 8]
                        for i, (y, x) in enumerate(torch.randint(0, 3, (len(images), 2)).tolist())])


def train(images, labels):
    torch.manual_seed(SEED)
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        net.train()
        for rows in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.nll_loss(torch.log(net(jitter(images[rows])) + 1e-9), labels[rows])
            loss.backward()
            optimizer.step()
        schedule.step()
    return net.eval()


def to_onnx(net):
    nodes, weights = [], []

    def weight(name, tensor):
        weights.append(numpy_helper.from_array(tensor.detach().numpy(), name))
        return name

    def block(index, source):
        conv, norm = getattr(net, f"conv{index}"), getattr(net, f"norm{index}")
        nodes.append(helper.make_node("Conv", [source, weight(f"conv{index}.weight", conv.weight)], [f"conv{index}"],
                                      name=f"conv{index}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node(
            "BatchNormalization",
            [f"conv{index}", weight(f"norm{index}.scale", norm.weight), weight(f"norm{index}.bias", norm.bias),
             weight(f"norm{index}.mean", norm.running_mean), weight(f"norm{index}.var", norm.running_var)],
            [f"norm{index}"], name=f"norm{index}", epsilon=norm.eps))
        nodes.append(helper.make_node("Relu", [f"norm{index}"], [f"relu{index}"], name=f"relu{index}"))
        return f"relu{index}"

    nodes.append(helper.make_node("MaxPool", [block(2, block(1, "image"))], ["pool"], name="pool", kernel_shape=[2, 2],
                                  strides=[2, 2]))
    nodes.append(helper.make_node("GlobalAveragePool", [block(3, "pool")], ["mean"], name="mean"))
    nodes.append(helper.make_node("Flatten", ["mean"], ["features"], name="features", axis=1))
    nodes.append(helper.make_node("Gemm", ["features", weight("dense.weight", net.dense.weight),
                                           weight("dense.bias", net.dense.bias)], ["score"], name="dense", transB=1))
    nodes.append(helper.make_node("Softmax", ["score"], ["probability"], name="softmax", axis=1))
    graph = helper.make_graph(
        nodes, "digits", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 10])], weights)
    model = helper.make_model(graph, producer_name="", opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    torch.set_num_threads(1)
    digits = load_digits()
    pixels, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    held_out = np.arange(len(pixels)) % HELD_OUT_EVERY == 0

    def batch(rows):
        return torch.from_numpy(pixels[rows].astype(np.float32)[:, None] / 16)

    net = train(batch(~held_out), torch.from_numpy(labels[~held_out].astype(np.int64)))
    with torch.no_grad():
        answer = net(batch(held_out)).argmax(dim=1).numpy()
    right = int((answer == labels[held_out]).sum())
    print(f"{right} of {held_out.sum()} held-out images right ({100 * right / held_out.sum():.2f} %)")

    onnx.save(to_onnx(net), HERE / "model.onnx")
    records = np.concatenate([pixels[held_out].reshape(-1, 64), labels[held_out, None]], axis=1)
    (HERE / "images.bin").write_bytes(records.tobytes())
    folder = HERE / "test_data_set_0"
    folder.mkdir(exist_ok=True)
    sample = np.flatnonzero(held_out)[:TEST_IMAGES]
    with torch.no_grad():
        for name, file, value in (("image", "input_0.pb", batch(sample)),
                                  ("probability", "output_0.pb", net(batch(sample)))):
            (folder / file).write_bytes(numpy_helper.from_array(value.numpy(), name).SerializeToString())


if __name__ == "__main__":
    main()
