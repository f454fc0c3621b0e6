// Depthwise separable convolutions of all edges of a block, on a CPU: forward and backward, batch norm included.
//
// An edge applies one or two units of ReLU - depthwise - pointwise - batch norm without affine part; a node sums its
// edges, each times its scale. An image's map stays in the cache from the ReLU to the pointwise convolution, and what
// the batch norms return is never stored: the next unit and the node's sum read the pointwise convolution's map `z`.
//
// Maps inside are (edge, image, block of channels, y, x, LANES channels); channels are filled up with zeros. Sums over
// images are taken in a fixed order, so results do not depend on the number of threads.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <tuple>
#include <vector>

namespace {

using at::Tensor;
using std::vector;

constexpr double EPS = 1e-5;
// images are shared out in this many pieces at most, whatever the number of threads
constexpr int64_t PIECES = 16;

template <typename T>
struct Simd {
  static constexpr int64_t LANES = 32 / sizeof(T);
  typedef T Vector __attribute__((vector_size(32), aligned(alignof(T)), may_alias));
};

template <typename T>
using Vector = typename Simd<T>::Vector;
template <typename T>
constexpr int64_t LANES = Simd<T>::LANES;

template <typename T>
inline Vector<T> load(const T* from) {
  return *reinterpret_cast<const Vector<T>*>(from);
}

template <typename T>
inline void store(T* to, Vector<T> value) {
  *reinterpret_cast<Vector<T>*>(to) = value;
}

template <typename T>
inline Vector<T> positive(Vector<T> value) {
  return value > 0 ? value : Vector<T>{};
}

// Zeros, aligned to a line of the cache.
template <typename T>
class Buffer {
 public:
  explicit Buffer(int64_t size)
      : data_(static_cast<T*>(::operator new(std::max<int64_t>(size, 1) * sizeof(T), std::align_val_t(64)))) {
    std::memset(data_, 0, size * sizeof(T));
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { ::operator delete(data_, std::align_val_t(64)); }
  operator T*() const { return data_; }

 private:
  T* data_;
};

// ------------------------------------------------------------------ depthwise, one block of channels at a time

template <typename T, int K, int S, int D, int PIXELS>
inline void depthwise_pixels(const T* source, int64_t pitch, const T* weight, T* output, bool add) {
  constexpr int64_t L = LANES<T>;
  Vector<T> sums[PIXELS];
#pragma GCC unroll 8
  for (int j = 0; j < PIXELS; ++j) sums[j] = add ? load(output + j * L) : Vector<T>{};
  for (int ky = 0; ky < K; ++ky) {
    const T* row = source + ky * D * pitch;
#pragma GCC unroll 8
    for (int kx = 0; kx < K; ++kx) {
      const Vector<T> tap = load(weight + (ky * K + kx) * L);
#pragma GCC unroll 8
      for (int j = 0; j < PIXELS; ++j) sums[j] += tap * load(row + (j * S + kx * D) * L);
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < PIXELS; ++j) store(output + j * L, sums[j]);
}

// `source` is padded, its rows are `pitch` numbers long; `output` (height, width) is not.
template <typename T, int K, int S, int D>
void depthwise(const T* source, int64_t pitch, const T* weight, T* output, int64_t height, int64_t width, bool add) {
  constexpr int64_t L = LANES<T>;
  for (int64_t y = 0; y < height; ++y) {
    const T* row = source + y * S * pitch;
    T* to = output + y * width * L;
    int64_t x = 0;
    for (; x + 8 <= width; x += 8) depthwise_pixels<T, K, S, D, 8>(row + x * S * L, pitch, weight, to + x * L, add);
    for (; x + 4 <= width; x += 4) depthwise_pixels<T, K, S, D, 4>(row + x * S * L, pitch, weight, to + x * L, add);
    for (; x < width; ++x) depthwise_pixels<T, K, S, D, 1>(row + x * S * L, pitch, weight, to + x * L, add);
  }
}

// Add to the padded `into` the gradient of the input of a convolution of stride S.
template <typename T, int K, int S, int D>
void scatter(T* into, int64_t pitch, const T* weight, const T* gradient, int64_t height, int64_t width) {
  constexpr int64_t L = LANES<T>;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const Vector<T> slope = load(gradient + (y * width + x) * L);
      T* corner = into + y * S * pitch + x * S * L;
      for (int ky = 0; ky < K; ++ky)
#pragma GCC unroll 8
        for (int kx = 0; kx < K; ++kx) {
          T* to = corner + ky * D * pitch + kx * D * L;
          store(to, load(to) + load(weight + (ky * K + kx) * L) * slope);
        }
    }
}

template <typename T, int K, int S, int D, int FIRST, int END>
inline void taps(const T* source, int64_t pitch, const T* gradient, T* sums, int64_t height, int64_t width) {
  constexpr int64_t L = LANES<T>;
  Vector<T> found[END - FIRST];
#pragma GCC unroll 16
  for (int t = 0; t < END - FIRST; ++t) found[t] = Vector<T>{};
  for (int64_t y = 0; y < height; ++y) {
    const T* row = source + y * S * pitch;
    const T* slopes = gradient + y * width * L;
    for (int64_t x = 0; x < width; ++x) {
      const Vector<T> slope = load(slopes + x * L);
#pragma GCC unroll 16
      for (int t = FIRST; t < END; ++t)
        found[t - FIRST] += slope * load(row + (t / K) * D * pitch + (x * S + (t % K) * D) * L);
    }
  }
#pragma GCC unroll 16
  for (int t = FIRST; t < END; ++t) store(sums + t * L, load(sums + t * L) + found[t - FIRST]);
}

// Add the gradient of the weights to `sums`.
template <typename T, int K, int S, int D>
void depthwise_slopes(const T* source, int64_t pitch, const T* gradient, T* sums, int64_t height, int64_t width) {
  // as many at once as there are registers
  if constexpr (K == 3) {
    taps<T, K, S, D, 0, 9>(source, pitch, gradient, sums, height, width);
  } else {
    taps<T, K, S, D, 0, 13>(source, pitch, gradient, sums, height, width);
    taps<T, K, S, D, 13, 25>(source, pitch, gradient, sums, height, width);
  }
}

template <typename T>
struct Depthwise {
  decltype(&depthwise<T, 3, 1, 1>) forward;
  decltype(&depthwise<T, 3, 1, 1>) back;
  decltype(&scatter<T, 3, 1, 1>) scatter_back;
  decltype(&depthwise_slopes<T, 3, 1, 1>) slopes;
};

template <typename T, int K, int S, int D>
Depthwise<T> depthwise_of() {
  return {&depthwise<T, K, S, D>, &depthwise<T, K, 1, D>, &scatter<T, K, S, D>, &depthwise_slopes<T, K, S, D>};
}

template <typename T>
Depthwise<T> choose(int64_t kernel, int64_t stride, int64_t dilation) {
  if (kernel == 3) {
    if (dilation == 1) return stride == 1 ? depthwise_of<T, 3, 1, 1>() : depthwise_of<T, 3, 2, 1>();
    return stride == 1 ? depthwise_of<T, 3, 1, 2>() : depthwise_of<T, 3, 2, 2>();
  }
  if (dilation == 1) return stride == 1 ? depthwise_of<T, 5, 1, 1>() : depthwise_of<T, 5, 2, 1>();
  return stride == 1 ? depthwise_of<T, 5, 1, 2>() : depthwise_of<T, 5, 2, 2>();
}

// ------------------------------------------------------------------ pointwise

template <typename T, int PIXELS, int BLOCKS>
inline void pointwise_pixels(const T* x, const T* weight, T* output, int64_t pixels, int64_t channels) {
  constexpr int64_t L = LANES<T>;
  Vector<T> sums[BLOCKS][PIXELS];
#pragma GCC unroll 2
  for (int b = 0; b < BLOCKS; ++b)
#pragma GCC unroll 8
    for (int j = 0; j < PIXELS; ++j) sums[b][j] = Vector<T>{};
  for (int64_t block = 0; block < channels; block += L) {
    const T* inputs = x + block * pixels;
#pragma GCC unroll 8
    for (int64_t c = 0; c < L; ++c) {
      const T* row = weight + (block + c) * channels;
#pragma GCC unroll 2
      for (int b = 0; b < BLOCKS; ++b) {
        const Vector<T> some = load(row + b * L);
#pragma GCC unroll 8
        for (int j = 0; j < PIXELS; ++j) sums[b][j] += some * inputs[j * L + c];
      }
    }
  }
#pragma GCC unroll 2
  for (int b = 0; b < BLOCKS; ++b)
#pragma GCC unroll 8
    for (int j = 0; j < PIXELS; ++j) store(output + (b * pixels + j) * L, sums[b][j]);
}

template <typename T, int BLOCKS>
void pointwise_blocks(const T* x, const T* weight, T* output, int64_t pixels, int64_t channels) {
  constexpr int64_t L = LANES<T>;
  int64_t p = 0;
  for (; p + 6 <= pixels; p += 6)
    pointwise_pixels<T, 6, BLOCKS>(x + p * L, weight, output + p * L, pixels, channels);
  for (; p + 4 <= pixels; p += 4)
    pointwise_pixels<T, 4, BLOCKS>(x + p * L, weight, output + p * L, pixels, channels);
  for (; p < pixels; ++p) pointwise_pixels<T, 1, BLOCKS>(x + p * L, weight, output + p * L, pixels, channels);
}

// output[o] = sum of weight[i][o] x[i] over the (filled up) channels i.
template <typename T>
void pointwise(const T* x, const T* weight, T* output, int64_t pixels, int64_t channels) {
  constexpr int64_t L = LANES<T>;
  int64_t o = 0;
  for (; o + 2 * L <= channels; o += 2 * L) pointwise_blocks<T, 2>(x, weight + o, output + o * pixels, pixels, channels);
  for (; o < channels; o += L) pointwise_blocks<T, 1>(x, weight + o, output + o * pixels, pixels, channels);
}

template <typename T, int BLOCKS>
inline void pointwise_slopes_tile(const T* x, const T* gradient, T* sums, int64_t pixels, int64_t channels) {
  constexpr int64_t L = LANES<T>;
  Vector<T> found[4][BLOCKS];
#pragma GCC unroll 4
  for (int s = 0; s < 4; ++s)
#pragma GCC unroll 2
    for (int b = 0; b < BLOCKS; ++b) found[s][b] = Vector<T>{};
  for (int64_t p = 0; p < pixels; ++p) {
#pragma GCC unroll 2
    for (int b = 0; b < BLOCKS; ++b) {
      const Vector<T> input = load(x + (b * pixels + p) * L);
#pragma GCC unroll 4
      for (int s = 0; s < 4; ++s) found[s][b] += input * gradient[p * L + s];
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < 4; ++s)
#pragma GCC unroll 2
    for (int b = 0; b < BLOCKS; ++b) {
      T* to = sums + s * channels + b * L;
      store(to, load(to) + found[s][b]);
    }
}

// Add gradient[o] x[i] over the pixels to sums[o][i].
template <typename T>
void pointwise_slopes(const T* x, const T* gradient, T* sums, int64_t pixels, int64_t channels) {
  constexpr int64_t L = LANES<T>;
  for (int64_t o = 0; o < channels; o += 4) {
    const T* slopes = gradient + (o / L) * L * pixels + o % L;
    int64_t i = 0;
    for (; i + 2 * L <= channels; i += 2 * L)
      pointwise_slopes_tile<T, 2>(x + i * pixels, slopes, sums + o * channels + i, pixels, channels);
    for (; i < channels; i += L)
      pointwise_slopes_tile<T, 1>(x + i * pixels, slopes, sums + o * channels + i, pixels, channels);
  }
}

// ------------------------------------------------------------------ what is known of a call

struct Sizes {
  int64_t images, edges, nodes, positions, channels, filled, height, width;  // of the states
  int64_t high, wide;                                                       // of the maps behind the stride

  int64_t pixels() const { return high * wide; }
  int64_t map() const { return filled * pixels(); }  // numbers of one edge and image
  int64_t pieces() const { return std::min(images, PIECES); }
};

template <typename Work>
void in_pieces(const Sizes& sizes, const Work& work) {
  at::parallel_for(0, sizes.pieces(), 1, [&](int64_t begin, int64_t end) { work(begin, end); });
}

inline int64_t first_image(const Sizes& sizes, int64_t piece) { return piece * sizes.images / sizes.pieces(); }

// One unit: its weights in the order of the loops, filled up with zeros.
template <typename T>
struct Unit {
  static constexpr int64_t L = LANES<T>;

  Unit(const Sizes& sizes, const Tensor& depthwise, const Tensor& pointwise, int64_t stride, int64_t dilation,
       int64_t height, int64_t width)
      : kernel(depthwise.size(2)),
        taps(kernel * kernel),
        stride(stride),
        padding(dilation * (kernel / 2)),
        height(height),
        width(width),
        filled(sizes.filled),
        call(choose<T>(kernel, stride, dilation)),
        weight(sizes.edges * filled * taps),
        flipped(sizes.edges * filled * taps),
        by_input(sizes.edges * filled * filled),
        by_output(sizes.edges * filled * filled) {
    const T* depth = depthwise.const_data_ptr<T>();
    const T* point = pointwise.const_data_ptr<T>();
    const int64_t channels = sizes.channels;
    for (int64_t e = 0; e < sizes.edges; ++e)
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t t = 0; t < taps; ++t) {
          const T value = depth[(e * channels + c) * taps + t];
          weight[place(e, c, t)] = value;
          flipped[place(e, c, taps - 1 - t)] = value;
        }
        for (int64_t i = 0; i < channels; ++i) {
          const T value = point[(e * channels + c) * channels + i];
          by_input[(e * filled + i) * filled + c] = value;
          by_output[(e * filled + c) * filled + i] = value;
        }
      }
  }

  int64_t place(int64_t edge, int64_t channel, int64_t tap) const {
    return ((edge * filled + channel / L * L) * taps) + tap * L + channel % L;
  }
  int64_t pitch() const { return (width + 2 * padding) * L; }
  int64_t plane() const { return (height + 2 * padding) * pitch(); }
  int64_t corner() const { return padding * pitch() + padding * L; }

  // d = depthwise of the padded source, of one edge
  void convolve(const Sizes& sizes, const T* source, int64_t edge, T* d) const {
    for (int64_t c = 0; c < filled; c += L)
      call.forward(source + c / L * plane(), pitch(), weight + (edge * filled + c) * taps, d + c * sizes.pixels(),
                   sizes.high, sizes.wide, false);
  }

  int64_t kernel, taps, stride, padding, height, width, filled;
  Depthwise<T> call;
  Buffer<T> weight, flipped, by_input, by_output;
};

// Means and 1 / sigma (edges, filled) of a unit's batch norm.
template <typename T>
struct Norm {
  Norm(const Sizes& sizes, const Tensor& means, const Tensor& variances)
      : mean(sizes.edges * sizes.filled), root(sizes.edges * sizes.filled) {
    const T *some = means.const_data_ptr<T>(), *squares = variances.const_data_ptr<T>();
    for (int64_t e = 0; e < sizes.edges; ++e)
      for (int64_t c = 0; c < sizes.channels; ++c) {
        mean[e * sizes.filled + c] = some[e * sizes.channels + c];
        root[e * sizes.filled + c] = static_cast<T>(1 / std::sqrt(squares[e * sizes.channels + c] + EPS));
      }
  }

  Buffer<T> mean, root;
};

// (height, width, stride numbers a pixel), channels last -> blocks of channels, rows `pitch` long, ReLU if `rectified`
template <typename T>
void take(const T* from, int64_t channels, int64_t filled, int64_t step, int64_t height, int64_t width, T* to,
          int64_t plane, int64_t pitch, bool rectified) {
  constexpr int64_t L = LANES<T>;
  for (int64_t c = 0; c < filled; c += L) {
    const int64_t some = std::min(L, channels - c);
    for (int64_t y = 0; y < height; ++y) {
      const T* row = from + y * width * step + c;
      T* out = to + c / L * plane + y * pitch;
      for (int64_t x = 0; x < width; ++x) {
        Vector<T> value{};
        if (some == L)
          value = load(row + x * step);
        else
          for (int64_t i = 0; i < some; ++i) value[i] = row[x * step + i];
        store(out + x * L, rectified ? positive<T>(value) : value);
      }
    }
  }
}

template <typename T>
inline void give(T* to, Vector<T> value, int64_t some) {
  if (some == LANES<T>)
    store(to, value);
  else
    for (int64_t i = 0; i < some; ++i) to[i] = value[i];
}

// ReLU of a normed map, padded.
template <typename T>
void rectify(const Unit<T>& unit, const T* z, const T* mean, const T* root, T* to) {
  constexpr int64_t L = LANES<T>;
  for (int64_t c = 0; c < unit.filled; c += L) {
    const Vector<T> middle = load(mean + c), factor = load(root + c);
    for (int64_t y = 0; y < unit.height; ++y) {
      const T* row = z + (c / L * unit.height + y) * unit.width * L;
      T* out = to + c / L * unit.plane() + unit.corner() + y * unit.pitch();
      for (int64_t x = 0; x < unit.width; ++x) store(out + x * L, positive<T>((load(row + x * L) - middle) * factor));
    }
  }
}

// ------------------------------------------------------------------ forward

// Mean and summed squares around it of each channel of one map.
template <typename T>
void summarise(const T* z, int64_t filled, int64_t pixels, double* means, double* squares) {
  constexpr int64_t L = LANES<T>;
  for (int64_t c = 0; c < filled; c += L) {
    const T* plane = z + c * pixels;
    Vector<T> sums[4] = {};
    int64_t p = 0;
    for (; p + 4 <= pixels; p += 4)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sums[j] += load(plane + (p + j) * L);
    for (; p < pixels; ++p) sums[0] += load(plane + p * L);
    const Vector<T> mean = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / static_cast<T>(pixels);
    Vector<T> spread[4] = {};
    for (p = 0; p + 4 <= pixels; p += 4)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Vector<T> off = load(plane + (p + j) * L) - mean;
        spread[j] += off * off;
      }
    for (; p < pixels; ++p) {
      const Vector<T> off = load(plane + p * L) - mean;
      spread[0] += off * off;
    }
    const Vector<T> square = (spread[0] + spread[1]) + (spread[2] + spread[3]);
    for (int64_t i = 0; i < L; ++i) {
      means[c + i] = mean[i];
      squares[c + i] = square[i];
    }
  }
}

// Put the images' statistics together (Chan, Golub & LeVeque 1979).
template <typename T>
void combine(const Sizes& sizes, const vector<double>& means, const vector<double>& squares, Tensor mean_of,
             Tensor variance_of) {
  const int64_t each = sizes.edges * sizes.filled;
  T *mean = mean_of.data_ptr<T>(), *variance = variance_of.data_ptr<T>();
  for (int64_t e = 0; e < sizes.edges; ++e)
    for (int64_t c = 0; c < sizes.channels; ++c) {
      const int64_t at = e * sizes.filled + c;
      double middle = 0, spread = 0;
      for (int64_t n = 0; n < sizes.images; ++n) middle += means[n * each + at];
      middle /= sizes.images;
      for (int64_t n = 0; n < sizes.images; ++n) {
        const double off = means[n * each + at] - middle;
        spread += squares[n * each + at] + sizes.pixels() * off * off;
      }
      mean[e * sizes.channels + c] = static_cast<T>(middle);
      variance[e * sizes.channels + c] = static_cast<T>(spread / (sizes.images * sizes.pixels()));
    }
}

Sizes sizes_of(const Tensor& x, const Tensor& scale, int64_t nodes, int64_t stride, int64_t lanes) {
  Sizes sizes;
  sizes.images = x.size(0), sizes.height = x.size(1), sizes.width = x.size(2);
  sizes.edges = scale.size(0), sizes.nodes = nodes, sizes.positions = sizes.edges / nodes;
  sizes.channels = x.size(3) / sizes.positions;
  sizes.filled = (sizes.channels + lanes - 1) / lanes * lanes;
  sizes.high = (sizes.height + stride - 1) / stride, sizes.wide = (sizes.width + stride - 1) / stride;
  return sizes;
}

template <typename T>
vector<std::unique_ptr<Unit<T>>> units_of(const Sizes& sizes, at::TensorList depthwise, at::TensorList pointwise,
                                          int64_t stride, int64_t dilation) {
  vector<std::unique_ptr<Unit<T>>> units;
  for (size_t u = 0; u < depthwise.size(); ++u)
    units.push_back(std::make_unique<Unit<T>>(sizes, depthwise[u], pointwise[u], u == 0 ? stride : 1, dilation,
                                              u == 0 ? sizes.height : sizes.high, u == 0 ? sizes.width : sizes.wide));
  return units;
}

template <typename T>
void take_state(const Sizes& sizes, const Unit<T>& unit, const T* x, int64_t image, int64_t position, T* padded) {
  const int64_t step = sizes.positions * sizes.channels;
  take(x + image * sizes.height * sizes.width * step + position * sizes.channels, sizes.channels, sizes.filled, step,
       sizes.height, sizes.width, padded + unit.corner(), unit.plane(), unit.pitch(), true);
}

using Maps = std::tuple<Tensor, vector<Tensor>, vector<Tensor>, vector<Tensor>>;

template <typename T>
Maps forward_in(const Tensor& x, at::TensorList depthwise, at::TensorList pointwise_of, const Tensor& scale,
                int64_t nodes, int64_t stride, int64_t dilation) {
  constexpr int64_t L = LANES<T>;
  const Sizes sizes = sizes_of(x, scale, nodes, stride, L);
  const auto units = units_of<T>(sizes, depthwise, pointwise_of, stride, dilation);
  const T* states = x.const_data_ptr<T>();
  vector<Tensor> maps, means, variances;
  for (size_t u = 0; u < units.size(); ++u) {
    maps.push_back(at::empty({sizes.edges, sizes.images, sizes.map()}, x.options()));
    means.push_back(at::empty({sizes.edges, sizes.channels}, x.options()));
    variances.push_back(at::empty({sizes.edges, sizes.channels}, x.options()));
    const Unit<T>& unit = *units[u];
    T* z = maps[u].data_ptr<T>();
    const int64_t each = sizes.edges * sizes.filled;
    vector<double> middle(sizes.images * each), spread(sizes.images * each);
    const auto before = u == 0 ? nullptr : std::make_unique<Norm<T>>(sizes, means[u - 1], variances[u - 1]);
    in_pieces(sizes, [&](int64_t begin, int64_t end) {
      Buffer<T> padded(sizes.filled / L * unit.plane()), d(sizes.map());
      for (int64_t n = first_image(sizes, begin); n < first_image(sizes, end); ++n)
        for (int64_t position = 0; position < sizes.positions; ++position) {
          if (u == 0) take_state(sizes, unit, states, n, position, static_cast<T*>(padded));
          for (int64_t e = position; e < sizes.edges; e += sizes.positions) {
            const int64_t at = e * sizes.filled;
            if (u > 0)
              rectify<T>(unit, maps[u - 1].const_data_ptr<T>() + (e * sizes.images + n) * sizes.map(),
                         before->mean + at, before->root + at, padded);
            unit.convolve(sizes, padded, e, d);
            T* to = z + (e * sizes.images + n) * sizes.map();
            pointwise<T>(d, unit.by_input + at * sizes.filled, to, sizes.pixels(), sizes.filled);
            summarise<T>(to, sizes.filled, sizes.pixels(), &middle[n * each + at], &spread[n * each + at]);
          }
        }
    });
    combine<T>(sizes, middle, spread, means[u], variances[u]);
  }
  Tensor output = at::empty({sizes.images, sizes.high, sizes.wide, nodes * sizes.channels}, x.options());
  const Norm<T> norm(sizes, means.back(), variances.back());
  const T *z = maps.back().const_data_ptr<T>(), *weights = scale.const_data_ptr<T>();
  T* out = output.data_ptr<T>();
  in_pieces(sizes, [&](int64_t begin, int64_t end) {
    for (int64_t n = first_image(sizes, begin); n < first_image(sizes, end); ++n)
      for (int64_t node = 0; node < nodes; ++node)
        for (int64_t c = 0; c < sizes.filled; c += L) {
          const int64_t some = std::min(L, sizes.channels - c), first = node * sizes.positions;
          Vector<T> factors[2], bias{};
          for (int64_t i = 0; i < sizes.positions; ++i) {
            const int64_t at = (first + i) * sizes.filled + c;
            const Vector<T> factor = load(norm.root + at) * weights[first + i];
            bias -= factor * load(norm.mean + at);
            if (i < 2) factors[i] = factor;
          }
          const T* plane = z + (first * sizes.images + n) * sizes.map() + c * sizes.pixels();
          T* to = out + (n * sizes.pixels() * nodes + node) * sizes.channels + c;
          for (int64_t p = 0; p < sizes.pixels(); ++p) {
            Vector<T> sum = bias + factors[0] * load(plane + p * L);
            for (int64_t i = 1; i < sizes.positions; ++i)
              sum += factors[i] * load(plane + i * sizes.images * sizes.map() + p * L);
            give<T>(to + p * nodes * sizes.channels, sum, some);
          }
        }
  });
  return {output, maps, means, variances};
}

// ------------------------------------------------------------------ backward

// The gradient of z of a batch norm is of_output * g + of_map * z + constant.
template <typename T>
struct NormSlopes {
  // `sums` and `products` (images, edges, filled) are those of g and of g (z - mean), `factor` scale / sigma
  NormSlopes(const Sizes& sizes, const Norm<T>& norm, const T* scale, const vector<double>& sums,
             const vector<double>& products)
      : of_output(sizes.edges * sizes.filled),
        of_map(sizes.edges * sizes.filled),
        constant(sizes.edges * sizes.filled),
        scaled(sizes.edges) {
    const int64_t each = sizes.edges * sizes.filled, count = sizes.images * sizes.pixels();
    for (int64_t at = 0; at < each; ++at) {
      double sum = 0, product = 0;
      for (int64_t n = 0; n < sizes.images; ++n) {
        sum += sums[n * each + at];
        product += products[n * each + at];
      }
      const double root = norm.root[at], factor = (scale == nullptr ? 1 : scale[at / sizes.filled]) * root;
      const double by_map = -factor * root * root * product / count;
      of_output[at] = static_cast<T>(factor);
      of_map[at] = static_cast<T>(by_map);
      constant[at] = static_cast<T>(-factor * sum / count - by_map * norm.mean[at]);
      scaled[at / sizes.filled] += root * product;
    }
  }

  void apply(const Sizes& sizes, int64_t edge, const T* gradient, const T* z, T* to) const {
    constexpr int64_t L = LANES<T>;
    for (int64_t c = 0; c < sizes.filled; c += L) {
      const int64_t at = edge * sizes.filled + c;
      const Vector<T> by_output = load(of_output + at), by_map = load(of_map + at), rest = load(constant + at);
      for (int64_t p = c * sizes.pixels(); p < (c + L) * sizes.pixels(); p += L)
        store(to + p, by_output * load(gradient + p) + by_map * load(z + p) + rest);
    }
  }

  Buffer<T> of_output, of_map, constant;
  vector<double> scaled;  // the gradient of the scales
};

template <typename T>
void add_products(const Sizes& sizes, const T* gradient, const T* z, const T* mean, double* sums, double* products) {
  constexpr int64_t L = LANES<T>;
  for (int64_t c = 0; c < sizes.filled; c += L) {
    const Vector<T> middle = load(mean + c);
    Vector<T> sum[2] = {}, product[2] = {};
    const int64_t from = c * sizes.pixels(), to = (c + L) * sizes.pixels();
    int64_t p = from;
    for (; p + 2 * L <= to; p += 2 * L)
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        const Vector<T> slope = load(gradient + p + j * L);
        sum[j] += slope;
        product[j] += slope * (load(z + p + j * L) - middle);
      }
    for (; p < to; p += L) {
      const Vector<T> slope = load(gradient + p);
      sum[0] += slope;
      product[0] += slope * (load(z + p) - middle);
    }
    const Vector<T> all = sum[0] + sum[1], both = product[0] + product[1];
    for (int64_t i = 0; i < L; ++i) {
      sums[c + i] = all[i];
      products[c + i] = both[i];
    }
  }
}

// The gradients of a unit's weights, piece by piece of the images.
template <typename T>
struct WeightSlopes {
  WeightSlopes(const Sizes& sizes, const Unit<T>& unit, bool wanted)
      : of_depthwise(sizes.edges * sizes.filled * unit.taps),
        of_pointwise(sizes.edges * sizes.filled * sizes.filled),
        depthwise(wanted ? sizes.pieces() * of_depthwise : 0),
        pointwise(wanted ? sizes.pieces() * of_pointwise : 0) {}

  void sum(const Sizes& sizes, const Unit<T>& unit, Tensor depthwise_to, Tensor pointwise_to) const {
    const int64_t channels = sizes.channels;
    T *depth = depthwise_to.data_ptr<T>(), *point = pointwise_to.data_ptr<T>();
    for (int64_t e = 0; e < sizes.edges; ++e)
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t t = 0; t < unit.taps; ++t)
          depth[(e * channels + c) * unit.taps + t] = over_pieces(sizes, depthwise + unit.place(e, c, t), of_depthwise);
        for (int64_t i = 0; i < channels; ++i)
          point[(e * channels + c) * channels + i] =
              over_pieces(sizes, pointwise + (e * sizes.filled + c) * sizes.filled + i, of_pointwise);
      }
  }

  static T over_pieces(const Sizes& sizes, const T* first, int64_t step) {
    T sum = 0;
    for (int64_t piece = 0; piece < sizes.pieces(); ++piece) sum += first[piece * step];
    return sum;
  }

  int64_t of_depthwise, of_pointwise;
  Buffer<T> depthwise, pointwise;
};

// What one thread needs to go back through a unit.
template <typename T>
struct Workplace {
  Workplace(const Sizes& sizes, const Unit<T>& unit, bool weights)
      : source(weights ? sizes.filled / LANES<T> * unit.plane() : 0),
        slopes(sizes.map()),
        d(sizes.map()),
        // at stride 1 the gradient of d, padded; else the gradient of the source, padded
        padded(sizes.filled / LANES<T> * unit.plane()),
        gradient(sizes.filled * unit.height * unit.width) {}

  Buffer<T> source, slopes, d, padded, gradient;
};

// Go from the gradient of z (`work.slopes`) of one edge and image back to that of the source, which is added to
// `work.gradient`, or to `work.padded` if the stride is 2.
template <typename T>
void back(const Sizes& sizes, const Unit<T>& unit, int64_t edge, int64_t piece, Workplace<T>& work,
          WeightSlopes<T>& found, bool weights, bool inputs, bool add) {
  constexpr int64_t L = LANES<T>;
  const int64_t pixels = sizes.pixels(), square = sizes.filled * sizes.filled;
  if (weights) {
    unit.convolve(sizes, work.source, edge, work.d);
    pointwise_slopes<T>(work.d, work.slopes, found.pointwise + piece * found.of_pointwise + edge * square, pixels,
                        sizes.filled);
  }
  pointwise<T>(work.slopes, unit.by_output + edge * square, work.d, pixels, sizes.filled);
  for (int64_t c = 0; c < sizes.filled; c += L) {
    const int64_t at = (edge * sizes.filled + c) * unit.taps;
    const T* slopes = work.d + c * pixels;
    if (weights)
      unit.call.slopes(work.source + c / L * unit.plane(), unit.pitch(), slopes,
                       found.depthwise + piece * found.of_depthwise + at, sizes.high, sizes.wide);
    if (!inputs) continue;
    T* padded = work.padded + c / L * unit.plane();
    if (unit.stride > 1) {
      unit.call.scatter_back(padded, unit.pitch(), unit.weight + at, slopes, sizes.high, sizes.wide);
      continue;
    }
    for (int64_t y = 0; y < sizes.high; ++y)
      std::memcpy(padded + unit.corner() + y * unit.pitch(), slopes + y * sizes.wide * L, sizes.wide * L * sizeof(T));
    unit.call.back(padded, unit.pitch(), unit.flipped + at, work.gradient + c * pixels, sizes.high, sizes.wide, add);
  }
}

using Slopes = std::tuple<Tensor, vector<Tensor>, vector<Tensor>, Tensor>;

template <typename T>
Slopes backward_in(const Tensor& gradient, const Tensor& x, at::TensorList maps, at::TensorList means,
                   at::TensorList variances, at::TensorList depthwise, at::TensorList pointwise_of,
                   const Tensor& scale, int64_t nodes, int64_t stride, int64_t dilation, bool weights, bool inputs) {
  constexpr int64_t L = LANES<T>;
  const Sizes sizes = sizes_of(x, scale, nodes, stride, L);
  const auto units = units_of<T>(sizes, depthwise, pointwise_of, stride, dilation);
  const int64_t last = static_cast<int64_t>(units.size()) - 1, each = sizes.edges * sizes.filled;
  vector<std::unique_ptr<Norm<T>>> norms;
  for (int64_t u = 0; u <= last; ++u) norms.push_back(std::make_unique<Norm<T>>(sizes, means[u], variances[u]));
  const T *given = gradient.const_data_ptr<T>(), *states = x.const_data_ptr<T>();

  const auto take_node = [&](int64_t n, int64_t node, T* to) {
    const int64_t step = nodes * sizes.channels;
    take<T>(given + n * sizes.pixels() * step + node * sizes.channels, sizes.channels, sizes.filled, step, sizes.high,
            sizes.wide, to, sizes.pixels() * L, sizes.wide * L, false);
  };
  const auto map_of = [&](int64_t u, int64_t e, int64_t n) {
    return maps[u].const_data_ptr<T>() + (e * sizes.images + n) * sizes.map();
  };

  vector<double> sums(sizes.images * each), products(sizes.images * each);
  in_pieces(sizes, [&](int64_t begin, int64_t end) {
    Buffer<T> g(sizes.map());
    for (int64_t n = first_image(sizes, begin); n < first_image(sizes, end); ++n)
      for (int64_t e = 0; e < sizes.edges; ++e) {
        if (e % sizes.positions == 0) take_node(n, e / sizes.positions, g);
        const int64_t at = n * each + e * sizes.filled;
        add_products<T>(sizes, g, map_of(last, e, n), norms[last]->mean + e * sizes.filled, &sums[at], &products[at]);
      }
  });
  auto norm_slopes = std::make_unique<NormSlopes<T>>(sizes, *norms[last], scale.const_data_ptr<T>(), sums, products);
  Tensor of_scale = at::empty({sizes.edges}, x.options());
  for (int64_t e = 0; e < sizes.edges; ++e) of_scale.data_ptr<T>()[e] = static_cast<T>(norm_slopes->scaled[e]);
  vector<Tensor> of_depthwise, of_pointwise;
  Tensor of_x = at::empty(inputs ? x.sizes() : at::IntArrayRef{0}, x.options());
  if (weights)
    for (int64_t u = 0; u <= last; ++u) {
      of_depthwise.push_back(at::empty(depthwise[u].sizes(), x.options()));
      of_pointwise.push_back(at::empty(pointwise_of[u].sizes(), x.options()));
    }
  if (!weights && !inputs) return {of_x, of_depthwise, of_pointwise, of_scale};

  // the second unit: from the node's gradient to that of the first unit's norm
  Tensor between;
  if (last == 1) {
    const Unit<T>& unit = *units[1];
    WeightSlopes<T> found(sizes, unit, weights);
    between = at::empty(maps[0].sizes(), x.options());
    T* to = between.data_ptr<T>();
    in_pieces(sizes, [&](int64_t begin, int64_t end) {
      Workplace<T> work(sizes, unit, weights);
      Buffer<T> g(sizes.map());
      for (int64_t piece = begin; piece < end; ++piece)
        for (int64_t n = first_image(sizes, piece); n < first_image(sizes, piece + 1); ++n)
          for (int64_t e = 0; e < sizes.edges; ++e) {
            const int64_t at = e * sizes.filled;
            const T *z = map_of(0, e, n), *mean = norms[0]->mean + at, *root = norms[0]->root + at;
            if (e % sizes.positions == 0) take_node(n, e / sizes.positions, g);
            norm_slopes->apply(sizes, e, g, map_of(1, e, n), work.slopes);
            if (weights) rectify<T>(unit, z, mean, root, work.source);
            back<T>(sizes, unit, e, piece, work, found, weights, true, false);
            T* out = to + (e * sizes.images + n) * sizes.map();
            for (int64_t c = 0; c < sizes.filled; c += L) {
              const Vector<T> middle = load(mean + c), factor = load(root + c);
              for (int64_t p = c * sizes.pixels(); p < (c + L) * sizes.pixels(); p += L)
                store(out + p, (load(z + p) - middle) * factor > 0 ? load(work.gradient + p) : Vector<T>{});
            }
            add_products<T>(sizes, out, z, mean, &sums[n * each + at], &products[n * each + at]);
          }
    });
    if (weights) found.sum(sizes, unit, of_depthwise[1], of_pointwise[1]);
    norm_slopes = std::make_unique<NormSlopes<T>>(sizes, *norms[0], nullptr, sums, products);
  }

  const Unit<T>& unit = *units[0];
  WeightSlopes<T> found(sizes, unit, weights);
  in_pieces(sizes, [&](int64_t begin, int64_t end) {
    Workplace<T> work(sizes, unit, weights);
    Buffer<T> g(last == 1 ? 0 : sizes.map());
    for (int64_t piece = begin; piece < end; ++piece)
      for (int64_t n = first_image(sizes, piece); n < first_image(sizes, piece + 1); ++n)
        for (int64_t position = 0; position < sizes.positions; ++position) {
          if (weights) take_state<T>(sizes, unit, states, n, position, work.source);
          if (inputs && unit.stride > 1)
            std::memset(work.padded, 0, sizes.filled / L * unit.plane() * sizeof(T));
          for (int64_t e = position; e < sizes.edges; e += sizes.positions) {
            const T* slopes = g;
            if (last == 1)
              slopes = between.const_data_ptr<T>() + (e * sizes.images + n) * sizes.map();
            else
              take_node(n, e / sizes.positions, g);
            norm_slopes->apply(sizes, e, slopes, map_of(0, e, n), work.slopes);
            back<T>(sizes, unit, e, piece, work, found, weights, inputs, e != position);
          }
          if (!inputs) continue;
          const int64_t step = sizes.positions * sizes.channels;
          const int64_t start = n * sizes.height * sizes.width * step + position * sizes.channels;
          for (int64_t c = 0; c < sizes.filled; c += L) {
            const int64_t some = std::min(L, sizes.channels - c);
            for (int64_t y = 0; y < sizes.height; ++y) {
              const T* row = unit.stride > 1
                                 ? work.padded + c / L * unit.plane() + unit.corner() + y * unit.pitch()
                                 : work.gradient + (c / L * sizes.height + y) * sizes.width * L;
              for (int64_t p = 0; p < sizes.width; ++p) {
                const int64_t at = start + (y * sizes.width + p) * step + c;
                T* to = of_x.data_ptr<T>() + at;
                if (some == L) {
                  store(to, load(states + at) > 0 ? load(row + p * L) : Vector<T>{});
                } else {
                  for (int64_t i = 0; i < some; ++i) to[i] = states[at + i] > 0 ? row[p * L + i] : 0;
                }
              }
            }
          }
        }
  });
  if (weights) found.sum(sizes, unit, of_depthwise[0], of_pointwise[0]);
  return {of_x, of_depthwise, of_pointwise, of_scale};
}

Maps forward(const Tensor& x, at::TensorList depthwise, at::TensorList pointwise_of, const Tensor& scale, int64_t nodes,
             int64_t stride, int64_t dilation) {
  return x.scalar_type() == at::kDouble
             ? forward_in<double>(x, depthwise, pointwise_of, scale, nodes, stride, dilation)
             : forward_in<float>(x, depthwise, pointwise_of, scale, nodes, stride, dilation);
}

Slopes backward(const Tensor& gradient, const Tensor& x, at::TensorList maps, at::TensorList means,
                at::TensorList variances, at::TensorList depthwise, at::TensorList pointwise_of, const Tensor& scale,
                int64_t nodes, int64_t stride, int64_t dilation, bool weights, bool inputs) {
  return x.scalar_type() == at::kDouble
             ? backward_in<double>(gradient, x, maps, means, variances, depthwise, pointwise_of, scale, nodes, stride,
                                   dilation, weights, inputs)
             : backward_in<float>(gradient, x, maps, means, variances, depthwise, pointwise_of, scale, nodes, stride,
                                  dilation, weights, inputs);
}

}  // namespace

// x (N, H, W, positions * C) -> (N, H', W', nodes * C); of each unit its maps, and means and variances (edges, C)
TORCH_LIBRARY(nas_steps_separable, library) {
  library.def(
      "forward(Tensor x, Tensor[] depthwise, Tensor[] pointwise, Tensor scale, int nodes, int stride, int dilation)"
      " -> (Tensor, Tensor[], Tensor[], Tensor[])");
  library.def(
      "backward(Tensor gradient, Tensor x, Tensor[] maps, Tensor[] means, Tensor[] variances, Tensor[] depthwise,"
      " Tensor[] pointwise, Tensor scale, int nodes, int stride, int dilation, bool weights, bool inputs)"
      " -> (Tensor, Tensor[], Tensor[], Tensor)");
}

TORCH_LIBRARY_IMPL(nas_steps_separable, CPU, library) {
  library.impl("forward", &forward);
  library.impl("backward", &backward);
}
