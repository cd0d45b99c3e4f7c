#include "controller/cli/init_files.h"

namespace nelson::cli {
namespace {

constexpr char kReadme[] = R"(# Control repository

What operators want of nelson, one file per object. Commit a change and the controller applies it; a file that does not
read is reported, and its last good revision stays in force.

| folder | one file for each |
|---|---|
| `repositories/` | repository that is watched; `repositories/README.md` shows one |
| `domains/` | place where things run; `domains/local.yml` is this machine |
| `namespaces/` | root namespace |
| `acknowledgements/` | yes to the removal of many stacks at once, or to a head of this repository that went back |

`owner.yml` says whose all of this is. Keep it: everything deployed carries its id. If this repository moves to another
address, list the old one there under `moved_from`.

Ask what a change would do before pushing it: `nelson diff .` in the working copy of an application repository.
)";

constexpr char kRepositoriesReadme[] = R"(# Repositories

One file each; its name (lower-case letters, digits, hyphens) is the repository's name from then on. For instance
`shop.yml`:

    url: https://git.example.org/shop.git    # or ssh://, file:// or a path of this machine
    release: branch                          # or tags: releases are then tags like 1.4.2 or basket/1.4.2
    branch: main
    # credentials:                           # where secrets are, never what they are
    #   token: file:/etc/nelson/shop.token
    # may:                                   # what its manifests may claim
    #   units: ["shop-*"]

Every `.nelson.yml` in it declares units, and a `<unit>.deployable.yml` beside it says what a unit's release consists of:

    # .nelson.yml
    units:
      - name: hello
        description: says hello
        ports: [default->8080/http]
    plans:
      - name: two
        instances: {desired: 2}
        health_checks: [{name: up, port_reference: default, protocol: http, path: /}]
    namespaces:
      - name: dev
        units: [{ref: hello, plans: [two]}]

    # hello.deployable.yml
    name: hello
    version: 1.0.0
    output:
      kind: command
      command: [python3, serve.py]    # listens on $NELSON_PORT_DEFAULT
      tree: app                       # runs in a copy of this folder; a change in it is a new release
)";

std::string domain_file(const std::string& folder, const std::string& user) {
  std::string out =
      "# The domain `local`: this machine. Everything is a default that may be changed, but for the folder.\n"
      "scheduler: local\n"
      "folder: " +
      folder + "/local    # records, logs and sockets of what runs; not part of the controller's store\n";
  out += user.empty() ? "# run_as: nobody            # the user that units run as; only root may name another than its own\n"
                      : "run_as: " + user + "            # the user that units run as\n";
  return out +
         "# traffic_shift: {policy: linear, duration: 20 minutes}\n"
         "# lifetimes: {initial: 30 minutes, extended: 30 minutes}\n"
         "# ports: {instances: 20000-24999, stable: 25000-26999}\n";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> control_files(const std::string& folder, const std::string& id,
                                                               const std::string& user) {
  return {
      {"README.md", kReadme},
      {"owner.yml", "# Whose this is. Everything deployed carries it, so it must never change.\nid: " + id + '\n'},
      {"domains/local.yml", domain_file(folder, user)},
      {"namespaces/dev.yml", "# The root namespace `dev`, and those below it.\nnamespaces: [dev]\n"},
      {"repositories/README.md", kRepositoriesReadme},
  };
}

std::string machine_file() {
  return R"(# What belongs to this machine. What operators want is in the control repository.
# Paths are seen from this file's folder.
control: control          # or {url: https://..., branch: main, credentials: {token: file:/path}}
store: store              # may be deleted: services go on, only history is lost
listen: 127.0.0.1:9000    # the status page
poll: 2 seconds           # how often repositories are asked for news
# log: {level: info, format: text, file: nelson.log}
# limits: {store_mib: 1024, git_deadline: 60 seconds}
)";
}

}  // namespace nelson::cli
