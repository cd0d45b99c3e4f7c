#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace nelson {

/// A map in the order of its keys, whose copies share what they have in common. A copy costs nothing; a change costs the entry that
/// changes and the short way to it (a sixty-fourth of the map in pointers, when a copy holds the rest); and two maps, one made from the
/// other, are compared by looking only at what they do not share. So "what is different now" costs what is different.
///
/// Reads as std::map does. Writes go through [], at and erase, since only a named entry can be made this map's own: iterators are for
/// reading. A reference for writing is to be used at once: a copy of the map taken later would see what is written through it.
/// Different copies may be used from different threads.
template <class Key, class T>
class SharedMap {
 public:
  using key_type = Key;
  using mapped_type = T;
  using value_type = std::pair<const Key, T>;

 private:
  using Entry = std::shared_ptr<value_type>;
  using Chunk = std::vector<Entry>;  // by key, one at least, kChunk at most
  struct Root {
    std::vector<std::shared_ptr<Chunk>> chunks;  // by key
    std::size_t size = 0;
  };
  static constexpr std::size_t kChunk = 64;

 public:
  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = SharedMap::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    const_iterator() = default;
    reference operator*() const { return *entry(); }
    pointer operator->() const { return entry().get(); }
    const_iterator& operator++() {
      if (++at_ == root_->chunks[chunk_]->size()) next_chunk();
      return *this;
    }
    const_iterator operator++(int) {
      const_iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const const_iterator&) const = default;

   private:
    friend class SharedMap;
    const_iterator(const Root* root, std::size_t chunk, std::size_t at) : root_(root), chunk_(chunk), at_(at) {}

    [[nodiscard]] const Entry& entry() const { return (*root_->chunks[chunk_])[at_]; }
    [[nodiscard]] bool ended() const { return root_ == nullptr || chunk_ == root_->chunks.size(); }
    void next_chunk() {
      ++chunk_;
      at_ = 0;
    }

    const Root* root_ = nullptr;
    std::size_t chunk_ = 0, at_ = 0;
  };
  using iterator = const_iterator;

  SharedMap() = default;
  SharedMap(std::initializer_list<value_type> entries) {
    for (const value_type& entry : entries) (*this)[entry.first] = entry.second;
  }

  [[nodiscard]] const_iterator begin() const { return {root_.get(), 0, 0}; }
  [[nodiscard]] const_iterator end() const { return {root_.get(), root_ ? root_->chunks.size() : 0, 0}; }
  [[nodiscard]] std::size_t size() const { return root_ ? root_->size : 0; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  void clear() { root_.reset(); }

  [[nodiscard]] const_iterator lower_bound(const Key& key) const {
    if (!root_) return end();
    const auto& chunks = root_->chunks;
    const auto chunk = std::partition_point(chunks.begin(), chunks.end(), [&](const auto& c) { return c->back()->first < key; });
    if (chunk == chunks.end()) return end();
    const auto at = std::partition_point((*chunk)->begin(), (*chunk)->end(), [&](const Entry& e) { return e->first < key; });
    return {root_.get(), static_cast<std::size_t>(chunk - chunks.begin()), static_cast<std::size_t>(at - (*chunk)->begin())};
  }
  [[nodiscard]] const_iterator find(const Key& key) const {
    const const_iterator at = lower_bound(key);
    return at.ended() || key < at->first ? end() : at;
  }
  [[nodiscard]] bool contains(const Key& key) const { return !find(key).ended(); }
  [[nodiscard]] const T& at(const Key& key) const {
    const const_iterator found = find(key);
    if (found.ended()) throw std::out_of_range("SharedMap::at");
    return found->second;
  }

  /// For writing.
  T& at(const Key& key) {
    if (!contains(key)) throw std::out_of_range("SharedMap::at");
    return (*this)[key];
  }
  T& operator[](const Key& key) {
    Root& root = own(root_);
    const const_iterator at = lower_bound(key);
    if (!at.ended() && !(key < at->first)) return own(own(root.chunks[at.chunk_])[at.at_]).second;
    ++root.size;
    const auto [chunk, place] = make_room(root, at);
    return (*chunk->insert(chunk->begin() + static_cast<std::ptrdiff_t>(place), std::make_shared<value_type>(key, T{})))->second;
  }
  /// How many were there: 0 or 1.
  std::size_t erase(const Key& key) {
    if (!contains(key)) return 0;
    Root& root = own(root_);
    const const_iterator at = lower_bound(key);
    Chunk& chunk = own(root.chunks[at.chunk_]);
    chunk.erase(chunk.begin() + static_cast<std::ptrdiff_t>(at.at_));
    if (chunk.empty()) root.chunks.erase(root.chunks.begin() + static_cast<std::ptrdiff_t>(at.chunk_));
    --root.size;
    return 1;
  }
  template <class Leaves>
  friend std::size_t erase_if(SharedMap& map, Leaves leaves) {
    const SharedMap before = map;
    for (const value_type& entry : before)
      if (leaves(entry)) map.erase(entry.first);
    return before.size() - map.size();
  }

  /// Calls `see(key, was, is)` for each key under which the two hold different values, in the order of keys; a null pointer says that
  /// there is none.
  template <class See>
  friend void each_difference(const SharedMap& before, const SharedMap& after, See see) {
    walk(before, after, [&](const Key& key, const T* was, const T* is) {
      see(key, was, is);
      return true;
    });
  }
  friend bool operator==(const SharedMap& a, const SharedMap& b) {
    return a.size() == b.size() && walk(a, b, [](const Key&, const T*, const T*) { return false; });
  }

 private:
  /// Makes what a pointer leads to this map's own, by copying it when others hold it too. The copy of the pointer, not a mere look at
  /// its count, orders what another thread did before it let go.
  template <class Held>
  static Held& own(std::shared_ptr<Held>& held) {
    if (!held) {
      held = std::make_shared<Held>();
    } else if (const auto second = held; second.use_count() > 2) {
      held = std::make_shared<Held>(*second);
    }
    return *held;
  }

  /// The chunk, now this map's own and not full, and the place in it for a key whose lower bound is `at`.
  static std::pair<Chunk*, std::size_t> make_room(Root& root, const const_iterator& at) {
    auto& chunks = root.chunks;
    std::size_t c = at.chunk_, place = at.at_;
    if (c == chunks.size() && (c == 0 || chunks.back()->size() == kChunk)) {
      // Keys that come in order leave full chunks behind.
      chunks.push_back(std::make_shared<Chunk>());
    } else if (c == chunks.size()) {
      place = chunks[--c]->size();
    } else if (chunks[c]->size() == kChunk) {
      constexpr std::size_t kHalf = kChunk / 2;
      const Chunk whole = *chunks[c];
      chunks[c] = std::make_shared<Chunk>(whole.begin(), whole.begin() + kHalf);
      chunks.insert(chunks.begin() + static_cast<std::ptrdiff_t>(c) + 1,
                    std::make_shared<Chunk>(whole.begin() + kHalf, whole.end()));
      if (place > kHalf) {
        ++c;
        place -= kHalf;
      }
    }
    return {&own(chunks[c]), place};
  }

  /// As each_difference, until `see` says no; whether it never did.
  template <class See>
  static bool walk(const SharedMap& before, const SharedMap& after, See see) {
    if (before.root_ == after.root_) return true;
    const_iterator a = before.begin(), b = after.begin();
    while (!a.ended() || !b.ended()) {
      if (b.ended() || (!a.ended() && a->first < b->first)) {
        if (!see(a->first, &a->second, static_cast<const T*>(nullptr))) return false;
        ++a;
      } else if (a.ended() || b->first < a->first) {
        if (!see(b->first, static_cast<const T*>(nullptr), &b->second)) return false;
        ++b;
      } else if (a.at_ == 0 && b.at_ == 0 && a.root_->chunks[a.chunk_] == b.root_->chunks[b.chunk_]) {
        a.next_chunk();
        b.next_chunk();
      } else {
        if (a.entry() != b.entry() && !(a->second == b->second) && !see(a->first, &a->second, &b->second)) return false;
        ++a;
        ++b;
      }
    }
    return true;
  }

  std::shared_ptr<Root> root_;
};

}  // namespace nelson
