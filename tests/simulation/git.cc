#include "tests/simulation/git.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "tests/simulation/writing.h"

namespace nelson::simulation {

std::string GitWorld::id_of(const std::string& prefix) {
  std::string number = std::to_string(++commits_);
  return prefix + std::string(40 - prefix.size() - number.size(), '0') + number;
}

std::map<std::string, UnitText> GitWorld::head(const std::string& repository) const {
  const auto found = repositories_.find(repository);
  if (found == repositories_.end()) return {};
  const std::vector<Commit>& log = found->second.log;
  const auto good = std::find_if(log.rbegin(), log.rend(), [](const Commit& commit) { return commit.readable; });
  return good == log.rend() ? std::map<std::string, UnitText>{} : good->units;
}

void GitWorld::push(const std::string& repository, std::map<std::string, UnitText> units) {
  repositories_[repository].log.push_back({id_of("a1"), true, std::move(units)});
  news_ = true;
}

void GitWorld::push_broken(const std::string& repository) {
  repositories_[repository].log.push_back({id_of("ab"), false, {}});
  news_ = true;
}

void GitWorld::set_host(const std::string& repository, bool answers) {
  repositories_[repository].answers = answers;
  news_ = true;
}

void GitWorld::force_back(const std::string& repository, std::size_t commits) {
  std::vector<Commit>& log = repositories_[repository].log;
  log.resize(log.size() - std::min(commits, log.empty() ? 0 : log.size() - 1));
  news_ = true;
}

void GitWorld::lose_mirror(const std::string& repository) {
  repositories_[repository].mirror.clear();
  repositories_[repository].fetched = repositories_[repository].current = false;
  news_ = changed_ = true;
}

void GitWorld::push_control(ControlText text) {
  // What operators commit contains what was applied, unless they restored a backup; a merge of that is a commit on the newest.
  control_.push_back({id_of("c0"), std::move(text), control_.size() - 1});
  control_head_ = control_.size() - 1;
  news_ = true;
}

void GitWorld::control_back(std::size_t commits) {
  for (; commits > 0; --commits) control_head_ = control_[control_head_].parent;
  news_ = true;
}

bool GitWorld::contains(const std::string& commit, const std::string& ancestor) const {
  auto at = std::find_if(control_.begin(), control_.end(), [&](const ControlCommit& one) { return one.id == commit; });
  if (at == control_.end()) return false;
  for (std::size_t place = static_cast<std::size_t>(at - control_.begin());; place = control_[place].parent) {
    if (control_[place].id == ancestor) return true;
    if (control_[place].parent == place) return false;
  }
}

void GitWorld::controller_started() {
  for (auto& [name, repository] : repositories_) repository.fetched = repository.current = false;
  news_ = changed_ = true;
}

void GitWorld::sync() {
  if (!std::exchange(news_, false)) return;
  changed_ = true;
  mirrored_control_ = control_head_;
  for (auto& [name, repository] : repositories_) {
    repository.current = repository.answers;
    if (!repository.answers) continue;
    repository.mirror = repository.log;
    repository.fetched = true;
  }
}

void GitWorld::add_stacks(const std::string& name, const Repository& repository, const Commit& commit, const UnitText& text,
                          bool patch, DesiredCell& cell) {
  for (const std::string& name_space : text.name_spaces)
    for (const std::string& plan : text.plans) {
      DesiredStack stack;
      stack.name_space = name_space;
      stack.plan = plan;
      stack.repository = name;
      stack.commit = commit.id;
      stack.version = text.version;
      stack.artifact.command = {text.command};
      stack.spec = text.spec;
      stack.settings = text.settings;
      stack.fresh = repository.fetched;
      stack.patch = patch;
      cell.stacks.push_back(std::move(stack));
    }
}

/// The newest commit that reads is in force; nothing leaves Git while the head does not read or was not reached.
void GitWorld::add(const std::string& name, const Repository& repository, Desired& out) const {
  DesiredRepository& said = out.repositories[name];
  const std::vector<Commit>& log = repository.mirror;
  const auto good = std::find_if(log.rbegin(), log.rend(), [](const Commit& commit) { return commit.readable; });
  if (!log.empty()) said.head = log.back().id;
  if (good == log.rend()) return;
  said.state = repository.current && good == log.rbegin() ? RepositoryState::kCurrent : RepositoryState::kLastGood;
  for (const auto& [unit, text] : good->units) {
    std::map<std::uint32_t, std::pair<const Commit*, const UnitText*>> patches;  // by major
    for (const Commit& commit : log) {
      const auto before = commit.units.find(unit);
      if (!tags_ || before == commit.units.end() || before->second.version.major >= text.version.major) continue;
      auto& [at, highest] = patches[before->second.version.major];
      if (highest == nullptr || highest->version <= before->second.version)
        std::tie(at, highest) = std::tuple(&commit, &before->second);
    }
    for (const std::string& domain : text.domains) {
      if (!out.domains.contains(domain)) continue;
      DesiredCell& cell = out.cells[{domain, unit}];
      if (!cell.stacks.empty() && cell.claimants.empty()) cell.claimants.push_back(cell.stacks.front().repository);
      if (!cell.claimants.empty()) cell.claimants.push_back(name);
      add_stacks(name, repository, *good, text, false, cell);
      for (const auto& [major, patch] : patches)
        if (std::find(patch.second->domains.begin(), patch.second->domains.end(), domain) != patch.second->domains.end())
          add_stacks(name, repository, *patch.first, *patch.second, true, cell);
    }
  }
}

std::shared_ptr<const Desired> GitWorld::desired() {
  if (!std::exchange(changed_, false)) return desired_;
  auto made = std::make_shared<Desired>();
  const ControlCommit& control = control_[mirrored_control_];
  made->owner = "ours";
  made->control_url = "file:///control";
  made->control_commit = control.id;
  made->domains = control.text.domains;
  made->acknowledged = control.text.acknowledged;
  std::sort(made->acknowledged.begin(), made->acknowledged.end());
  for (const auto& [name, repository] : repositories_) add(name, repository, *made);
  each_for_writing(made->cells, [](const CellKey&, DesiredCell& cell) {
    std::sort(cell.stacks.begin(), cell.stacks.end(), [](const DesiredStack& a, const DesiredStack& b) {
      return std::tie(a.name_space, a.plan, a.repository, a.version) < std::tie(b.name_space, b.plan, b.repository, b.version);
    });
  });
  if (!desired_ || !(*desired_ == *made)) desired_ = std::move(made);
  return desired_;
}

}  // namespace nelson::simulation
