// machine: what there is to say of the machine that a result comes from.
#pragma once

#include <string>

#include "json.hpp"

// {version, commit, cpu, instruction_sets, threads, threads_from, memory, engine, openmp_runtimes, decoders, problems}
nlohmann::ordered_json machine_report();

double resident_mib();  // of this process

// Processor seconds that all processes used since the machine started, on all cores, and what other machines on the same host took from it.
double busy_seconds();
