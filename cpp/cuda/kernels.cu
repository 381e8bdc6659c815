#include "cuda/kernels.cuh"
