"""Times PyTorch on the products and the convolution that gpubench times, on the same GPU.

    python3 tools/peers/torchgpu.py        # where the GPU is; needs torch with CUDA

MatMul 4096 x 4096 x 4096 and a 3x3 convolution with Relu, 16 x 64 x 56 x 56, in float32
(without TF32) and float16, the convolution in both orders of axes: the median of 20 runs by
the device's own clock, after 5 that do not count. docs/cuda.md has the figures.
"""
import torch


def median_ms(f, n=20):
    for _ in range(5):
        f()
    torch.cuda.synchronize()
    times = []
    for _ in range(n):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        f()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[n // 2]


def main():
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    print("torch", torch.__version__, "on", torch.cuda.get_device_name())
    g = torch.Generator(device="cuda").manual_seed(1)
    n, ops = 4096, 2 * 16 * 64 * 64 * 9 * 56 * 56
    for dt in (torch.float32, torch.float16):
        a, b = (torch.randn(n, n, device="cuda", dtype=dt, generator=g) for _ in range(2))
        ms = median_ms(lambda: a @ b)
        print(f"MatMul {dt}: {1000 * ms:.0f} us, {2 * n**3 / ms / 1e9:.1f} TFLOP/s")
        x = torch.randn(16, 64, 56, 56, device="cuda", dtype=dt, generator=g)
        w = torch.randn(64, 64, 3, 3, device="cuda", dtype=dt, generator=g)
        for order in ("NCHW", "NHWC"):
            if order == "NHWC":
                x, w = (v.to(memory_format=torch.channels_last) for v in (x, w))
            ms = median_ms(lambda: torch.relu_(torch.nn.functional.conv2d(x, w, padding=1)))
            print(f"Conv and Relu {dt} {order}: {1000 * ms:.0f} us, {ops / ms / 1e9:.1f} TFLOP/s")


main()
