"""The names of metrics whose direction is known, and the words that surround them.

The names are those that libraries write, each with the direction that its library gives it. Case
and separators do not matter: `roc_auc` stands for `ROC-AUC` and `RocAuc` as well. Sources:

scikit-learn: `sklearn.metrics.get_scorer_names()`, the functions of `sklearn.metrics` by their
    documentation ("the higher the better" or a loss), and the keys of
    `sklearn.model_selection.cross_validate`.
XGBoost: the metrics registered in `src/metric`, and `maximize_metrics` of its early stopping
    (python-package/xgboost/callback.py).
LightGBM: "Metric Parameters" of its documentation (Parameters.html#metric-parameters), where
    `auc`, `average_precision`, `auc_mu`, `map` and `ndcg` are maximised and others minimised.
CatBoost: "Objectives and metrics" of its documentation.
Keras: `_direction` of the classes of `keras.metrics`, and the losses of `keras.losses`.
TorchMetrics: `higher_is_better` of its classes; of the Davies-Bouldin score, the perceptual path
    length and the word information preserved, where that attribute contradicts their definitions,
    the definition. PyTorch Lightning adds suffixes only.
Hugging Face: the metrics of `evaluate`, and what `transformers.Trainer` logs.
lm-evaluation-harness: `register_metric` in lm_eval/api/metrics.py, and `metric_list` of its tasks.

Names that mean different things in different libraries, such as `dice` (a score or a loss) or
`err` (an error, or the expected reciprocal rank), are not in the tables: those do not tell.
"""

import re


def squash(name: str) -> str:
    """A name without its separators, in lower case: how names are compared."""
    return re.sub(r"[\W_]+", "", name).lower()


def names(text: str) -> frozenset[str]:
    """The names in a text, squashed."""
    return frozenset(map(squash, text.split()))


UPWARDS = names("""
    accuracy acc balanced_accuracy top_k_accuracy accuracy_score
    precision recall f1 fbeta f_beta f_score f_measure fscore fmeasure f2 f0.5 jaccard
    jaccard_index roc_auc auc auroc roc aucroc average_precision ap auc_pr aucpr pr_auc prauc auprc
    precision_recall_auc matthews_corrcoef matthews_correlation mcc cohen_kappa kappa
    quadratic_weighted_kappa sensitivity specificity true_positive_rate true_negative_rate
    tpr tnr true_positives true_negatives positive_predictive_value negative_predictive_value
    ppv npv positive_likelihood_ratio informedness youden_j gini
    r2 r2_score r_squared adjusted_r2 explained_variance d2_absolute_error_score d2_brier_score
    d2_log_loss_score d2_pinball_score d2_tweedie_score
    adjusted_mutual_info adjusted_rand completeness fowlkes_mallows homogeneity mutual_info
    normalized_mutual_info rand_score v_measure silhouette calinski_harabasz
    ndcg dcg label_ranking_average_precision consensus_score

    pre map auc_mu interval_regression_accuracy

    BalancedAccuracy TotalF1 WKappa LogLikelihoodOfPrediction QueryAUC PairAccuracy PFound
    FilteredDCG NormalizedGini PrecisionAt RecallAt MRR

    binary_accuracy categorical_accuracy sparse_categorical_accuracy top_k_categorical_accuracy
    sparse_top_k_categorical_accuracy cosine_similarity iou mean_iou one_hot_iou one_hot_mean_iou
    pearson_correlation concordance_correlation

    cohens_kappa fleiss_kappa matthews_corr_coef spearman_corr_coef pearson_corr_coef
    kendall_rank_corr_coef concordance_corr_coef concordance_index c_index log_auc exact_match
    normalized_dcg mean_average_precision mean_average_recall mar mean_reciprocal_rank
    reciprocal_rank hit_rate r_precision cramers_v tschuprows_t theils_u
    pearsons_contingency_coefficient critical_success_index dunn_index cluster_accuracy
    panoptic_quality modified_panoptic_quality intersection_over_union
    generalized_intersection_over_union complete_intersection_over_union
    distance_intersection_over_union giou ciou diou
    dice_score dice_coefficient dice_coef generalized_dice_score
    structural_similarity_index_measure multi_scale_structural_similarity_index_measure
    structural_similarity ssim ms_ssim psnr peak_signal_noise_ratio
    peak_signal_noise_ratio_with_blocked_effect peak_signal_to_noise_ratio inception_score
    clip_score clip_image_quality_assessment visual_information_fidelity
    universal_image_quality_index spatial_correlation_coefficient quality_with_no_reference
    signal_noise_ratio signal_distortion_ratio scale_invariant_signal_noise_ratio
    scale_invariant_signal_distortion_ratio source_aggregated_signal_distortion_ratio
    complex_scale_invariant_signal_noise_ratio snr sdr si_snr si_sdr pesq stoi
    perceptual_evaluation_speech_quality short_time_objective_intelligibility
    deep_noise_suppression_mean_opinion_score word_info_preserved
    video_multi_method_assessment_fusion

    bleu google_bleu sacrebleu sacre_bleu bleurt bertscore bert_score chrf comet frugalscore mauve
    meteor nist_mt nist sari rouge rouge1 rouge2 rougeL rougeLsum pearsonr pearson spearmanr
    spearman kendalltau exact squad HasAns_exact HasAns_f1 NoAns_exact NoAns_f1 conll_score bpref
    recip_rank rprec ndcg_cut samples_per_second steps_per_second tokens_per_second throughput

    acc_norm acc_bytes acc_all acc_mutual_info acc_greedy em pass mc1 mc2
    prompt_level_strict_acc prompt_level_loose_acc inst_level_strict_acc inst_level_loose_acc
    rouge1_acc rouge2_acc rougeL_acc bleu_acc rouge1_max rouge2_max rougeL_max bleu_max
    rouge1_diff rouge2_diff rougeL_diff bleu_diff qa_f1_score code_sim_score

    hits reward win_rate success_rate
""")

# These improve upwards, and downwards once they are negated, whichever way that is written.
LIKELIHOODS = names("""
    log_likelihood loglik likelihood elbo evidence_lower_bound log_prob log_evidence
    marginal_log_likelihood marginal_likelihood LogLikelihoodOfPrediction
""")

DOWNWARDS = names("""
    loss error log_loss logistic_loss brier_score brier_score_loss brier max_error
    mean_absolute_error mean_squared_error root_mean_squared_error mean_squared_log_error
    root_mean_squared_log_error median_absolute_error mean_absolute_percentage_error
    mae mse rmse msle rmsle mape medae mdae mean_gamma_deviance mean_poisson_deviance
    mean_tweedie_deviance mean_pinball_loss pinball_loss pinball hamming_loss hinge_loss
    zero_one_loss coverage_error label_ranking_loss davies_bouldin davies_bouldin_score
    negative_likelihood_ratio
    absolute_error squared_error percentage_error error_rate err_rate false_positive_rate
    false_negative_rate false_discovery_rate false_omission_rate fpr fnr fdr false_positives
    false_negatives misclassification_rate fit_time score_time

    mphe merror mlogloss poisson_nloglik gamma_nloglik cox_nloglik aft_nloglik tweedie_nloglik
    nloglik gamma_deviance poisson_deviance tweedie_deviance deviance

    l1 l2 quantile_loss huber huber_loss fair_loss poisson tweedie binary_logloss binary_error
    multi_logloss multi_error cross_entropy cross_entropy_lambda kullback_leibler xentropy

    LogLinQuantile MultiRMSE MultiRMSEWithMissingValues RMSEWithUncertainty MultiClassOneVsAll
    MultiLogloss MultiCrossEntropy PairLogit PairLogitPairwise QueryRMSE QueryCrossEntropy
    QuerySoftMax GroupQuantile SMAPE BalancedErrorRate NumErrors HingeLoss FairLoss
    MedianAbsoluteError Expectile SurvivalAft FocalLoss

    binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy
    binary_focal_crossentropy categorical_focal_crossentropy hinge squared_hinge categorical_hinge
    kl_divergence kld kullback_leibler_divergence log_cosh log_cosh_error
    mean_squared_logarithmic_error dice_loss tversky_loss ctc_loss triplet_loss contrastive_loss
    elbo_loss cosine_similarity_loss

    calibration_error expected_calibration_error ece hamming_distance hinge_loss char_error_rate
    character_error_rate word_error_rate wer cer cer_score match_error_rate
    continuous_ranked_probability_score crps edit_distance extended_edit_distance levenshtein
    hausdorff_distance jensen_shannon_divergence frechet_inception_distance fid
    kernel_inception_distance kid learned_perceptual_image_patch_similarity lpips
    perceptual_path_length memorization_informed_frechet_inception_distance minkowski_distance
    normalized_root_mean_squared_error nrmse normalized_mse perplexity procrustes_disparity
    relative_average_spectral_error relative_squared_error relative_absolute_error fall_out
    root_mean_squared_error_using_sliding_window spatial_distortion_index spectral_angle_mapper
    symmetric_mean_absolute_percentage_error weighted_mean_absolute_percentage_error wmape wape
    total_variation translation_edit_rate translation_error_rate word_info_lost
    error_relative_global_dimensionless_synthesis deep_image_structure_and_texture_similarity
    retrieval_fall_out ranking_loss

    charcut_mt mase ter runtime model_preparation_time

    word_perplexity byte_perplexity bits_per_byte bpb bits_per_character bits_per_char bpc
    likelihood_diff nll ppl

    rmsd rss sse regret latency latency_ms inference_time
    mean_absolute_scaled_error
""")

# Words that say of what, or over what, a metric was taken. They change no direction.
QUALIFIERS = names("""
    test tst val valid validation eval evaluation evaluate train trn training learn dev development
    holdout heldout held_out oof out_of_fold out_of_sample cv crossval cross_validation fold folds
    split
    mean avg average macro micro weighted samples sample binary multiclass multilabel multioutput
    overall total sum global all epoch step batch running smoothed ema best final last min max
    median at k top p q per class label category task metric metrics result results
    ovr ovo score_first dataloader idx dataset set model retrieval normalized balanced pct percent
    percentage small medium large
    none strict_match flexible_extract get_answer custom_extract remove_whitespace maj
""")
# `f1_score` is `f1`; but the score of a loss may be the loss, or be negated.
UPWARDS_QUALIFIERS = frozenset({"score", "scores"})

# Words before others without a separator: `valloss`, `TESTRMSE`.
PREFIXES = (
    *("test", "validation", "valid", "val", "evaluation", "eval", "training", "train"),
    *("binary", "multiclass", "multilabel", "retrieval"),
)

NEGATIONS = frozenset({"neg", "negative", "negated"})
